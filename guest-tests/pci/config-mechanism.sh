#!/bin/sh
# PCI's configuration mechanism 1 takes a 32-bit address, and gives registers in accesses of each width.
#: arch = ["x86_64"]

in_guest() {
    # First, because the kernel uses the same mechanism to read it.
    identity=$(hexdump -n 4 -e '1/4 "%08x"' /sys/bus/pci/devices/0000:00:00.0/config)
    outl 0xcf8 0x80000000
    test "$(inl 0xcf8)" = 0x80000000
    test "$(inl 0xcfc)" = "0x$identity"
    test "$(inw 0xcfe)" = "0x${identity%????}"
    test "$(inb 0xcfc)" = "0x${identity#??????}"
    # Only a 32-bit write reaches the address register.
    outw 0xcf8 0x40
    test "$(inl 0xcf8)" = 0x80000000
    # Without the enable bit no device answers.
    outl 0xcf8 0
    test "$(inl 0xcfc)" = 0xffffffff
}
