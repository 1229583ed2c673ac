#!/bin/sh
# A guest that sets the real-time clock reads the new time back, and QEMU keeps it over a reset.
# Not on ppc: a reset puts the DS1338 of QEMU back to the time of the host.
#: except-arch = ["ppc"]
#: requires.kernel = ["RTC_CLASS"]
#: reboots = 1
#: start = "cold"

in_guest() {
    base=$(date -u -d "2031-05-06 07:08:09" +%s)
    if test "$BOOTS" = 0; then
        date -s "@$base"
        hwclock -w -u
        leave reboot
    fi
    now=$(cat /sys/class/rtc/rtc0/since_epoch)
    echo "set to $base, is $now"
    test "$now" -ge "$base"
    test "$now" -lt $((base + 120))
}
