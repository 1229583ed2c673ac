#!/bin/sh
# Behind each kind of bridge a device is found, its registers are reached and its interrupt arrives.
# A pseries has conventional PCI only, and the numbers of its buses come from SLOF: VOF leaves a bridge without any.
#: machine.ppc64 = "pseries-slof"
#: machine.ppc64le = "pseries-slof"
#: requires.devices = ["edu"]
#: choices.bridge.default = { devices = [
#:     "pci-bridge", "pcie-pci-bridge", "pcie-root-port", "ioh3420", "i82801b11-bridge", "xio3130-downstream",
#: ] }
#: choices.bridge.mips64 = { devices = ["pci-bridge"] }
#: choices.bridge.mips64el = { devices = ["pci-bridge"] }
#: choices.bridge.mips = { devices = ["pci-bridge"] }
#: choices.bridge.mipsel = { devices = ["pci-bridge"] }
#: choices.bridge.ppc64 = { devices = ["pci-bridge"] }
#: choices.bridge.ppc64le = { devices = ["pci-bridge"] }

in_host() {
    bridge=$(choose bridge)
    slot=1
    case $bridge in
        pci-bridge) set -- -device pci-bridge,id=behind,chassis_nr=3 ;;
        pcie-root-port | ioh3420)
            slot=0
            set -- -device "$bridge,id=behind,chassis=3"
            ;;
        xio3130-downstream)
            slot=0
            set -- -device pcie-root-port,id=root,chassis=3,slot=1 -device x3130-upstream,id=up,bus=root \
                -device xio3130-downstream,id=behind,bus=up,chassis=4,slot=2
            ;;
        *) set -- -device "$bridge,id=behind" ;;
    esac
    qemu "$@" -device "edu,bus=behind,addr=$slot"
}

in_guest() {
    lspci
    device=$(pci_device 1234:11e8)
    test "$(basename "$device" | cut -d: -f2)" != 00
    echo 1234 11e8 > /sys/bus/pci/drivers/uio_pci_generic/new_id
    edu=$(pci_bar "$device" 0)
    poke $((edu + 4)) 32 0x12345678
    test "$(peek $((edu + 4)) 32)" = 0xedcba987
    poke $((edu + 0x60)) 32 1
    wait_for "test \$(cat /sys/class/uio/uio0/event) = 1"
    poke $((edu + 0x64)) 32 1
}
