#!/bin/sh
# A guest tells QEMU by its pvpanic device that it crashed and that another kernel takes over, and is left running.
#: requires.devices = ["pvpanic-pci"]

in_host() {
    qemu -device pvpanic-pci
}

in_guest() {
    # shellcheck disable=SC2144 # there is one such device
    cd /sys/bus/pci/drivers/pvpanic-pci/*:*
    read -r base _ < resource
    # Reading gives what it can tell, the driver's file says what of it the kernel uses.
    offered=$(devmem "$base" 8)
    test $((offered & 3)) = 3
    test $((offered & 0x$(sed 's/^0x//' capability))) = $((0x$(sed 's/^0x//' capability)))
    devmem "$base" 8 2
    qmp_wait GUEST_CRASHLOADED action=run
    qmp query-status | grep -q '"status":"running"'
}
