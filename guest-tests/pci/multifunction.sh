#!/bin/sh
# Functions 0, 3 and 7 of one slot are devices of their own, and the numbers between them stay empty.
#: requires.devices = ["edu", "virtio-rng-pci"]

in_host() {
    qemu -device virtio-rng-pci,addr=6.0,multifunction=on -device edu,addr=6.3 -device edu,addr=6.7
}

in_guest() {
    functions=$(cd /sys/bus/pci/devices && printf '%s ' *:06.*)
    test "$(echo "$functions" | sed 's/[0-9a-f]*:00:06\.//g')" = "0 3 7 "
    for function in 3 7; do
        edu=$(pci_bar "$(ls -d /sys/bus/pci/devices/*:06.$function)" 0)
        poke $((edu + 4)) 32 $((0x1000 + function))
    done
    for function in 3 7; do
        edu=$(pci_bar "$(ls -d /sys/bus/pci/devices/*:06.$function)" 0)
        test $(($(peek $((edu + 4)) 32))) = $((0xffffffff - 0x1000 - function))
    done
    test "$(dd if=/dev/hwrng bs=16 count=1 | wc -c)" = 16
}
