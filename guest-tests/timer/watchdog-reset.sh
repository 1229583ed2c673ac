#!/bin/sh
# A watchdog whose action is a reset starts the guest anew, and it comes up again.
#: requires.devices = ["i6300esb"]
#: reboots = 1
#: start = "cold"

in_host() {
    qemu -device i6300esb -action watchdog=reset
}

in_guest() {
    if test "$BOOTS" = 0; then
        announce reboot
        watchdog -F -T 1 -t 60 /dev/watchdog
    fi
    qmp_wait WATCHDOG action=reset
    qmp_wait RESET
}
