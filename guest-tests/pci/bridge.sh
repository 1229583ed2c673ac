#!/bin/sh
# Behind each kind of bridge a device is found, its registers are reached and its interrupt arrives.
#: requires.devices = ["edu"]
#: choices.bridge = { devices = [
#:     "pci-bridge", "pcie-pci-bridge", "pcie-root-port", "ioh3420", "i82801b11-bridge", "xio3130-downstream", "x3130-upstream", "pxb", "pxb-pcie",
#: ] }

in_host() {
    bridge=$(choose bridge)
    case $bridge in
        pci-bridge) set -- -device pci-bridge,id=behind,chassis_nr=3 ;;
        pcie-root-port | ioh3420) set -- -device "$bridge,id=behind,chassis=3" ;;
        i82801b11-bridge)
            test "$KILN_MACHINE" != pseries || skip "its bridge is said to be no good outside of PCs"
            set -- -device i82801b11-bridge,id=behind
            ;;
        x3130-upstream | xio3130-downstream)
            set -- -device pcie-root-port,id=port,chassis=3 -device x3130-upstream,id=up,bus=port \
                -device xio3130-downstream,id=behind,bus=up,chassis=4
            ;;
        pxb | pxb-pcie)
            case $KILN_MACHINE:$bridge in
                pc:pxb) ;;
                q35:pxb-pcie | virt:pxb-pcie) ;;
                *) skip "$bridge has no place on $KILN_MACHINE" ;;
            esac
            set -- -device "$bridge,id=host,bus_nr=64"
            test "$bridge" = pxb || set -- "$@" -device pcie-root-port,id=behind,bus=host,chassis=3
            test "$bridge" = pxb-pcie || set -- -device pxb,id=behind,bus_nr=64
            ;;
        *) set -- -device "$bridge,id=behind" ;;
    esac
    qemu "$@" -device "edu,bus=behind"
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
