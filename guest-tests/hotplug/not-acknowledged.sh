#!/bin/sh
# A guest that does not acknowledge an unplug request keeps the device and can still use it.
#: slots = 1
#: append = "acpiphp.disable=1 pcie_ports=compat"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-rng-pci"]

in_host() {
    case $KILN_MACHINE in
        pseries*) qemu -device virtio-rng-pci,id=kept ;;
        *) qemu -device virtio-rng-pci,id=kept,bus=slot1 ;;
    esac
}

in_guest() {
    qmp device_del id=kept
    ! qmp_wait DEVICE_DELETED device=kept --timeout 1 || fail "the device went unasked"
    qmp qom-get path=kept property=type | grep -q virtio-rng-pci
    test "$(dd if=/dev/hwrng bs=64 count=1 | wc -c)" = 64
}
