#!/bin/sh
# QEMU stops a guest whose pvpanic device reports a panic, if configured to.
#: requires.devices = ["pvpanic-pci"]
#: ends = "panic"

in_host() {
    qemu -device pvpanic-pci -action panic=pause &
    qmp_wait GUEST_PANICKED action=pause
    wait "$!"
}

in_guest() {
    # shellcheck disable=SC2144 # there is one such device
    cd /sys/bus/pci/drivers/pvpanic-pci/*:*
    read -r base _ < resource
    announce panic
    devmem "$base" 8 1
    sleep 3600
}
