#!/bin/sh
# A pseries guest's watchdog is its hypervisor's: left alone it resets the guest.
#: arch = ["ppc64", "ppc64le"]
#: ends = "reboot"
#: start = "cold"

in_guest() {
    grep -q pseries-wdt /sys/class/watchdog/watchdog0/identity
    # Nothing else here would end the guest.
    announce reboot
    watchdog -F -T 2 -t 60 /dev/watchdog
}
