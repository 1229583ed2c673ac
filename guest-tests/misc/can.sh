#!/bin/sh
# A CAN frame that one controller sends is received by another, with its number and bytes.
#: groups = ["can"]
#: requires.kernel = ["HAS_IOPORT"]
#: choices.card = { devices = ["pcm3680_pci", "mioe3680_pci", "kvaser_pci"] }

in_host() {
    card=$(choose card)
    case $card in
        kvaser_pci) set -- -device kvaser_pci,canbus=bus -device kvaser_pci,canbus=bus ;;
        *) set -- -device "$card,canbus0=bus,canbus1=bus" ;;
    esac
    qemu -append "card=$card" -object can-bus,id=bus "$@"
}

in_guest() {
    case $(kernel_parameter card) in
        kvaser_pci) numbers=0x10e8:0x8406 step=1 regions="1 1" ;;
        pcm3680_pci) numbers=0x13fe:0xc002 step=1 regions="0 1" ;;
        mioe3680_pci) numbers=0x13fe:0xc302 step=4 regions="0 1" ;;
    esac
    cards=
    for device in /sys/bus/pci/devices/*; do
        test "$(cat "$device/vendor"):$(cat "$device/device")" != "$numbers" || cards="$cards $device"
    done
    # shellcheck disable=SC2086
    set -- $cards
    for card; do
        echo 1 > "$card/enable"
    done
    first=$1:${regions% *}
    second=${2:-$1}:${regions#* }
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

# A chip is the directory of its card and the number of its region.
register() {
    port "${1%:*}" "${1##*:}" $(($2 * step)) 8
}

set_register() {
    set_port "${1%:*}" "${1##*:}" $(($2 * step)) 8 "$3"
}
