#!/bin/sh
# A CAN frame that one controller of a card sends is received by the other, with its number and bytes.
#: groups = ["can"]
#: choices.card = { devices = ["pcm3680_pci", "mioe3680_pci"] }

in_host() {
    card=$(choose card)
    qemu -append "card=$card" -object can-bus,id=bus -device "$card,canbus0=bus,canbus1=bus"
}

in_guest() {
    for device in /sys/bus/pci/devices/*; do
        test "$(cat "$device/vendor")" != 0x13fe || card=$device
    done
    case $(sed 's/.*card=\([^ ]*\).*/\1/' /proc/cmdline) in
        mioe*) step=4 ;;
        *) step=1 ;;
    esac
    first=$(($(pci_bar "$card" 0)))
    second=$(($(pci_bar "$card" 1)))
    for chip in "$first" "$second"; do
        # Reset, PeliCAN mode, every frame accepted, out of reset.
        set_register "$chip" 0 1
        set_register "$chip" 31 0x80
        for mask in 20 21 22 23; do
            set_register "$chip" "$mask" 0xff
        done
        set_register "$chip" 0 0
    done
    # Three bytes to number 0x123, which is kept in the upper eleven of two bytes.
    byte=16
    for value in 3 0x24 0x60 0xca 0xfe 0x42; do
        set_register "$first" "$byte" "$value"
        byte=$((byte + 1))
    done
    set_register "$first" 1 1
    wait_for "test \$((\$(register $second 2) & 1)) = 1"
    byte=16
    for value in 0x3 0x24 0x60 0xca 0xfe 0x42; do
        test "$(register "$second" "$byte")" = "$value"
        byte=$((byte + 1))
    done
    # The sender does not hear itself.
    test $(($(register "$first" 2) & 1)) = 0
    # The frame is taken out; there is no second one.
    set_register "$second" 1 4
    test $(($(register "$second" 2) & 1)) = 0
}

register() {
    peek $(($1 + $2 * step)) 8
}

set_register() {
    poke $(($1 + $2 * step)) 8 "$3"
}
