#!/bin/sh
# `reboot` without `-f` asks process 1, which reboots the machine.
#: reboots = 1

in_guest() {
    if test "$BOOTS" = 0; then
        announce reboot
        reboot
        sleep 60
    fi
    test "$BOOTS" = 1
}
