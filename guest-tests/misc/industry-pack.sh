#!/bin/sh
# A carrier of industry packs shows the pack in its slot: the module's own identification is read through the card.
#: requires.devices = ["tpci200", "ipoctal232"]

in_host() {
    qemu -device tpci200,id=carrier -chardev null,id=c0 -device ipoctal232,bus=carrier.0,chardev0=c0
}

in_guest() {
    # Each module has its identification space 0x80 bytes after its registers; `IPAC` is in every other byte.
    identification=$(($(pci_bar "$(pci_device 1498:30c8)" 3) + 0x80))
    text=
    for offset in 1 3 5 7; do
        text="$text$(printf '%b' "$(printf '\\%03o' $(($(peek $((identification + offset)) 8))))")"
    done
    test "$text" = IPAC
}
