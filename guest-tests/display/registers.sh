#!/bin/sh
# Older display cards answer through their memory-mapped registers as the chips they stand for do.
#: choices.display = { devices = ["ati-vga", "cirrus-vga", "sm501"] }

in_host() {
    display=$(choose display)
    qemu -append "display=$display" -device "$display"
}

in_guest() {
    case $(kernel_parameter display) in
        ati-vga)
            registers=$(pci_bar "$(pci_device 1002:5046)" 2)
            # A scratch register, read back through the pair of index and data.
            poke $((registers + 0x10)) 32 0x600d5eed
            poke "$registers" 32 0x10
            test "$(peek $((registers + 4)) 32)" = 0x600d5eed
            # As much memory as the first region has.
            test $(($(peek $((registers + 0xf8)) 32))) = $((16 << 20))
            ;;
        cirrus-vga)
            # The VGA ports from 0x3c0 on; the sixth register of the sequencer tells whether the extensions are unlocked.
            registers=$(pci_bar "$(pci_device 1013:00b8)" 1)
            poke $((registers + 4)) 8 6
            poke $((registers + 5)) 8 0x12
            test "$(peek $((registers + 5)) 8)" = 0x12
            poke $((registers + 5)) 8 0
            test "$(peek $((registers + 5)) 8)" = 0xf
            ;;
        sm501)
            registers=$(pci_bar "$(pci_device 126f:0501)" 1)
            test "$(peek $((registers + 0x60)) 32)" = 0x50100a0
            poke $((registers + 0x80000)) 32 0x00010000
            test "$(peek $((registers + 0x80000)) 32)" = 0x10000
            ;;
    esac
}
