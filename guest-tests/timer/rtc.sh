#!/bin/sh
# The real-time clock starts at the time that QEMU was given, and runs.
# Not on loongarch64, whose clock stops at a reset until a guest or firmware sets it.
#: except-arch = ["loongarch64"]
#: requires.kernel = ["RTC_CLASS"]
#: start = "cold"

in_host() {
    qemu -rtc base=2026-02-03T04:05:06
}

in_guest() {
    start=$(cat /sys/class/rtc/rtc0/since_epoch)
    base=$(date -u -d "2026-02-03 04:05:06" +%s)
    echo "clock at $start, given $base"
    test "$start" -ge "$base"
    test "$start" -lt $((base + 120))
    wait_for "test \$(cat /sys/class/rtc/rtc0/since_epoch) -gt $start"
}
