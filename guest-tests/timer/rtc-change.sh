#!/bin/sh
# A guest that sets its real-time clock lets QEMU know, by how much it differs now from what QEMU gave.
# Not on riscv64, whose clock in QEMU has no such event.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]
#: start = "cold"

in_guest() {
    base=$(cat /sys/class/rtc/rtc0/since_epoch)
    date -u -s "@$((base + 7200))"
    hwclock -w -u
    event=$(qmp_wait RTC_CHANGE)
    echo "$event"
    offset=$(echo "$event" | sed 's/.*"offset":\(-\{0,1\}[0-9]*\).*/\1/')
    test "$offset" -gt 7080
    test "$offset" -lt 7320
}
