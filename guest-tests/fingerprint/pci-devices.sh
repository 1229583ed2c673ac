#!/bin/sh
# PCI devices look to a guest as they did when this machine type was made: numbers, capabilities, interrupt vectors, regions.
# Not on riscv64, whose machine has no versions.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]
#: groups = ["fingerprint"]
#: requires.qemu = "7.2"
#: start = "cold"

in_host() {
    slot=2
    set --
    for device in VGA e1000 e1000e rtl8139 vmxnet3 nvme,serial=kiln qemu-xhci usb-ehci pci-ohci \
        am53c974 megasas mptsas1068 pvscsi pci-serial pci-testdev i6300esb intel-hda edu sdhci-pci; do
        slot=$((slot + 1))
        set -- "$@" -device "$device,addr=$(printf '%x' $slot)"
    done
    case $KILN_ARCH in
        x86_64) machine=pc-q35-7.2 ;;
        aarch64) machine="virt-7.2 -cpu cortex-a57" ;;
        ppc64*) machine=pseries-7.2,x-vof=on ;;
    esac
    # shellcheck disable=SC2086 # some come with more words
    qemu -machine $machine "$@"
}

in_guest() {
    pci_functions
}
