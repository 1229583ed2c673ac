#!/bin/sh
# Two functions share an interrupt line; each interrupt reaches the one that raised it, once for each time.
# With an AIA each line of a riscv64 guest is a message; its other controller is behind wires.
#: machine.riscv64 = "virt-plic"
#: machine.riscv32 = "virt-plic"
#: requires.devices = ["edu"]

in_host() {
    # Four slots apart, the pins of a bus meet again.
    qemu -device edu,addr=5 -device edu,addr=9
}

in_guest() {
    echo 1234 11e8 > /sys/bus/pci/drivers/uio_pci_generic/new_id
    first=$(ls -d /sys/bus/pci/devices/*:05.0)
    second=$(ls -d /sys/bus/pci/devices/*:09.0)
    test "$(cat "$first/irq")" = "$(cat "$second/irq")"

    raise "$second" uio1
    raise "$first" uio0
    raise "$second" uio1
    test "$(cat /sys/class/uio/uio0/event) $(cat /sys/class/uio/uio1/event)" = "1 2"
}

# The function raises its interrupt; the device node that stands for it becomes readable.
raise() {
    registers=$(pci_bar "$1" 0)
    count=$(cat "/sys/class/uio/$2/event")
    poke $((registers + 0x60)) 32 1
    wait_for "test \$(cat /sys/class/uio/$2/event) = $((count + 1))"
    test "$(peek $((registers + 0x24)) 32)" = 0x1
    poke $((registers + 0x64)) 32 1
    test "$(peek $((registers + 0x24)) 32)" = 0x0
    # The kernel masked the function when it interrupted; this unmasks it, bit 10 of the command register.
    printf '\007\000' | dd of="$1/config" bs=2 seek=2 conv=notrunc 2> /dev/null
}
