#!/bin/sh
# An HD Audio controller comes out of reset, sees its codec and carries commands to it.
# In QEMU its registers have the target's byte order, which accesses to PCI do not expect where the target is big-endian: not on a
# pseries, whichever guest it has.
#: arch = ["x86_64", "aarch64", "riscv64"]
#: requires.devices = ["hda-duplex"]
#: choices.controller = { devices = ["intel-hda", "ich9-intel-hda"] }

in_host() {
    controller=$(choose controller)
    qemu -append "controller=$controller" -device "$controller,id=hda" -audiodev none,id=a0 \
        -device hda-duplex,bus=hda.0,cad=0,audiodev=a0
}

in_guest() {
    case $(kernel_parameter controller) in
        ich9*) hda=$(pci_bar "$(pci_device 8086:293e)" 0) ;;
        *) hda=$(pci_bar "$(pci_device 8086:2668)" 0) ;;
    esac
    # Version 1.0.
    test "$(peek $((hda + 2)) 8) $(peek $((hda + 3)) 8)" = "0x0 0x1"
    poke $((hda + 8)) 32 0
    test "$(peek $((hda + 8)) 32)" = 0x0
    poke $((hda + 8)) 32 1
    wait_for "test \$(peek $((hda + 8)) 32) = 0x1"
    test "$(peek $((hda + 0xe)) 16)" = 0x1
    # Parameter 0 of node 0 is the codec's vendor and device, 4 its nodes: one, from 1 on.
    test "$(parameter 0 0)" = 0x1af40022
    test "$(parameter 0 4)" = 0x10001
}

# Asks the codec by the registers for immediate commands.
parameter() {
    poke $((hda + 0x68)) 16 2
    poke $((hda + 0x60)) 32 $(($1 << 20 | 0xf0000 | $2))
    poke $((hda + 0x68)) 16 1
    wait_for "test \$((\$(peek $((hda + 0x68)) 16) & 3)) = 2"
    peek $((hda + 0x64)) 32
}
