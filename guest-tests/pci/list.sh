#!/bin/sh
# The guest lists the PCI devices that QEMU was given, by vendor and device number.
#: requires.devices = ["virtio-rng-pci", "virtio-balloon-pci", "pci-testdev"]
#: start = "cold"

in_host() {
    qemu -device virtio-rng-pci,addr=5 -device virtio-balloon-pci,addr=6 -device pci-testdev,addr=7
}

in_guest() {
    lspci -n
    for slot in 05:1af4:1005 06:1af4:1002 07:1b36:0005; do
        config=$(ls -d /sys/bus/pci/devices/*:00:"${slot%%:*}.0")
        id=$(cat "$config/vendor"):$(cat "$config/device")
        test "$id" = "0x$(echo "$slot" | cut -d: -f2):0x$(echo "$slot" | cut -d: -f3)"
    done
}
