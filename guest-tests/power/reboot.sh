#!/bin/sh
# The guest reboots, and the test continues after the second boot.
#: reboots = 1

in_guest() {
    if test "$BOOTS" = 0; then
        leave reboot
    fi
    test "$BOOTS" = 1
}
