#!/bin/sh
# A guest that reports a panic keeps running if QEMU is configured so, and QEMU reports the panic.
#: requires.devices = ["pvpanic-pci"]

in_host() {
    qemu -device pvpanic-pci -action panic=none
}

in_guest() {
    wait_for "ls -d /sys/bus/pci/drivers/pvpanic-pci/*:*"
    # shellcheck disable=SC2144 # there is one such device
    cd /sys/bus/pci/drivers/pvpanic-pci/*:*
    read -r base _ < resource
    devmem "$base" 8 1
    qmp_wait GUEST_PANICKED action=run
    qmp query-status | grep '"status":"running"'
}
