#!/bin/sh
# The guest reboots, comes up again, and the test goes on.
#: reboots = 1

in_guest() {
    if test "$BOOTS" = 0; then
        leave reboot
    fi
    test "$BOOTS" = 1
}
