#!/bin/sh
# A watchdog whose action is to stop the guest stops it, and the guest can be made to go on.
#: requires.devices = ["i6300esb"]
#: start = "cold"

in_host() {
    qemu -device i6300esb -action watchdog=pause &
    qmp_wait WATCHDOG action=pause
    qmp query-status | grep -q '"status":"watchdog"'
    qmp cont
    wait "$!"
}

in_guest() {
    watchdog -F -T 1 -t 60 /dev/watchdog &
    feeder=$!
    # The guest does not notice that it stood still: only QEMU tells.
    qmp_wait RESUME --timeout 20
    kill -9 "$feeder"
}
