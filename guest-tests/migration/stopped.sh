#!/bin/sh
# A stopped guest that migrates twice runs again in the third QEMU only.
#: requires.migration = true

in_host() {
    qemu -name one &
    wait_ready -g one
    qmp -g one stop
    from=one
    for to in two three; do
        qemu -name $to -incoming "unix:$SCRATCH/$to" &
        qmp -g $to query-status
        qmp -g $from migrate "uri=unix:$SCRATCH/$to"
        wait_for "qmp -g $from query-migrate | grep completed"
        from=$to
    done
    qmp -g three cont
    wait
}

in_guest() {
    sleep 2
    echo here
}
