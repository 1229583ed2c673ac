#!/bin/sh
# The watchdog of the q35 chipset fires when it is not fed, with the configured action.
#: arch = ["x86_64"]
#: machine = "q35"
#: start = "cold"

in_host() {
    qemu -global ICH9-LPC.noreboot=off -action watchdog=none
}

in_guest() {
    wait_for "grep -q iTCO /sys/class/watchdog/watchdog0/identity"
    watchdog -F -T 3 -t 60 /dev/watchdog &
    qmp_wait WATCHDOG action=none --timeout 20
    kill -9 $!
}
