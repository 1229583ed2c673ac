#!/bin/sh
# A device copies memory by DMA: from the guest's into its own and from there to another place.
#: arch = ["x86_64", "aarch64", "riscv32", "riscv64"]
#: requires.devices = ["edu"]
#: memory = "256M"
#: append = "mem=192M"

in_host() {
    qemu -device edu,dma_mask=0xffffffffff
}

in_guest() {
    device=$(pci_device 1234:11e8)
    edu=$(pci_bar "$device" 0)
    bus_master "$device"

    # QEMU has more memory than the kernel knows of, so the rest is unused.
    # On a PC the first page is not counted, and a firmware may keep the first few.
    start=$(awk '/System RAM/ { split($1, range, "-"); print "0x" range[1]; exit }' /proc/iomem)
    memory=$(((start >> 20) + 200 << 20))
    for word in 0 1 2 3; do
        devmem $((memory + 4 * word)) 32 $((0xc0ffee00 + word))
        devmem $((memory + 0x1000 + 4 * word)) 32 0
    done
    transfer "$memory" 0x40000 16 1
    transfer 0x40000 $((memory + 0x1000)) 12 3
    for word in 0 1 2; do
        test $(($(devmem $((memory + 0x1000 + 4 * word)) 32))) = $((0xc0ffee00 + word))
    done
    # No more than was asked for.
    test $(($(devmem $((memory + 0x100c)) 32))) = 0
}

transfer() {
    poke $((edu + 0x80)) 64 "$1"
    poke $((edu + 0x88)) 64 "$2"
    poke $((edu + 0x90)) 64 "$3"
    poke $((edu + 0x98)) 64 "$4"
    wait_for "test \$((\$(peek $((edu + 0x98)) 64) & 1)) = 0"
}
