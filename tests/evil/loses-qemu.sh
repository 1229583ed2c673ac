#!/bin/sh
# QEMU is killed, as on a host without free memory.

in_host() {
    (
        wait_for "test -s '$SCRATCH/pid'"
        wait_for "qmp query-status"
        kill -KILL "$(cat "$SCRATCH/pid")"
    ) &
    qemu -pidfile "$SCRATCH/pid"
}

in_guest() {
    sleep 60
}
