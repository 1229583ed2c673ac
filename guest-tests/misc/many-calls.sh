#!/bin/sh
# More helper commands at once than init has slots for all get their answers.

in_guest() {
    i=0
    while test $i -lt 40; do
        await go 20 > "/tmp/answer$i" 2>&1 &
        i=$((i + 1))
    done
    # Waits for a free slot while all are taken by calls that wait for the host script's point.
    qmp query-status | grep running
    wait
    test "$(cat /tmp/answer* | grep -c now)" = 40
}

in_host() {
    qemu &
    wait_ready
    sleep 1
    post go now
    wait
}
