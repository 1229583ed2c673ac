#!/bin/sh
# A signal kills QEMU in the middle of the test.

in_host() {
    (
        wait_for "test -s '$SCRATCH/pid'"
        wait_for "qmp query-status"
        kill -SEGV "$(cat "$SCRATCH/pid")"
    ) &
    qemu -pidfile "$SCRATCH/pid"
}

in_guest() {
    sleep 60
}
