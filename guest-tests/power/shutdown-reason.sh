#!/bin/sh
# When a guest switches itself off, QEMU says that the guest did, and how.
#: ends = "poweroff"

in_host() {
    qemu -no-shutdown &
    qmp_wait SHUTDOWN guest=true reason=guest-shutdown
    qmp query-status | grep -q '"status":"shutdown"'
    qmp quit
    wait $!
}

in_guest() {
    leave poweroff
}
