#!/bin/sh
# A machine that was given no devices has the few that belong to it, and no others.
# Not on riscv64, whose machine has no versions.
#: arch = ["x86_64", "aarch64", "ppc64"]
#: groups = ["fingerprint"]
#: channel = "console"
#: requires.qemu = "7.2"
#: start = "cold"

in_host() {
    case $KILN_ARCH in
        x86_64) machine=pc-q35-7.2,sata=on,smbus=on ;;
        aarch64) machine="virt-7.2 -cpu cortex-a57" ;;
        ppc64*) machine=pseries-7.2,x-vof=on ;;
    esac
    # shellcheck disable=SC2086 # some come with more words
    qemu -machine $machine
}

in_guest() {
    pci_functions
    ls /sys/bus/virtio/devices /sys/bus/usb/devices /sys/block
    test ! -d /sys/bus/vio/devices || ls /sys/bus/vio/devices
}
