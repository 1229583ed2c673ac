#!/bin/sh
# A reset from QEMU's monitor starts the machine anew: nothing of the guest's memory is used again.
#: reboots = 1

in_guest() {
    if test "$BOOTS" = 0; then
        echo before > /tmp/before
        qmp system_reset
        sleep 3600
    fi
    test "$BOOTS" = 1
    test ! -e /tmp/before
    read -r up _ < /proc/uptime
    test "${up%.*}" -lt 3600
    qmp query-status | grep -q '"status":"running"'
}
