#!/bin/sh
# A CTU CAN FD card has its two cores, which can be distinguished, configured and reset.
#: groups = ["can"]
#: requires.devices = ["ctucan_pci"]

in_host() {
    qemu -object can-bus,id=bus -device ctucan_pci,canbus0=bus,canbus1=bus
}

in_guest() {
    core=$(pci_bar "$(pci_device 1760:ff00)" 1)
    for chip in 0 0x4000; do
        registers=$((core + chip))
        # The low half says which core this is, the lower eight bits of it are the last of its mark.
        test "$(peek "$registers" 16)" = 0xcafd
    done
    # Bit 22 of the mode register enables one core and leaves the other as it is.
    poke $((core + 4)) 32 $((1 << 22))
    test $(($(peek $((core + 4)) 32) >> 22 & 1)) = 1
    test $(($(peek $((core + 0x4004)) 32) >> 22 & 1)) = 0
    # Bit 0 resets it.
    poke $((core + 4)) 32 1
    test $(($(peek $((core + 4)) 32) >> 22 & 1)) = 0
}
