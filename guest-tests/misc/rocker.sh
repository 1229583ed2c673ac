#!/bin/sh
# The switch's test registers double what is written to them, and it has the ports it was given.
#: requires.devices = ["rocker"]
#: requires.qemu = "8.2"

in_host() {
    qemu -netdev hubport,id=p0,hubid=0 -netdev hubport,id=p1,hubid=1 \
        -device '{"driver": "rocker", "name": "kiln", "ports": ["p0", "p1"]}'
}

in_guest() {
    rocker=$(pci_bar "$(pci_device 1b36:0006)" 0)
    poke $((rocker + 0x10)) 32 0x1234567
    test "$(peek $((rocker + 0x10)) 32)" = 0x2468ace
    test "$(peek $((rocker + 0x304)) 32)" = 0x2
}
