#!/bin/sh
# A watchdog that is not fed fires at its time with the configured action; one that is fed does not fire.
#: requires.devices = ["i6300esb"]
#: start = "cold"
#: timing = true

in_host() {
    qemu -device i6300esb -action watchdog=none
}

in_guest() {
    grep -q i6300ESB /sys/class/watchdog/watchdog0/identity
    # Two seconds, fed each half second; then left without a word, so that it runs out.
    watchdog -F -T 2 -t 500ms /dev/watchdog &
    feeder=$!
    sleep 3
    ! qmp_wait WATCHDOG --timeout 0 || fail "a watchdog that is fed fired"
    kill -9 "$feeder"
    qmp_wait WATCHDOG action=none
}
