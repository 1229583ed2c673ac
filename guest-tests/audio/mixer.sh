#!/bin/sh
# The sound cards of the nineties have their registers behind ports, and what is written there is kept or refused as it should be.
#: requires.devices = ["AC97", "ES1370"]

in_host() {
    qemu -audiodev none,id=a0 -device AC97,audiodev=a0 -device ES1370,audiodev=a0
}

in_guest() {
    ac97=$(pci_device 8086:2415)
    echo 1 > "$ac97/enable"
    # A write to the first register resets the codec: the master volume is then muted.
    port_write "$ac97" 0 '\000\000'
    test "$(port_read "$ac97" 2)" = 8000
    port_write "$ac97" 2 '\005\007'
    test "$(port_read "$ac97" 2)" = 0705
    # Who made the codec cannot be written.
    maker=$(port_read "$ac97" 0x7c)
    port_write "$ac97" 0x7c '\001\001'
    test "$(port_read "$ac97" 0x7c)" = "$maker"
    test "$maker" != 0101

    es1370=$(pci_device 1274:5000)
    echo 1 > "$es1370/enable"
    # The page register holds four bits.
    for page in 3 12; do
        port_write "$es1370" 0x0c "\\$(printf %03o "$page")\\000"
        test $((0x$(port_read "$es1370" 0x0c) & 15)) = "$page"
    done
}

# port_read DIRECTORY OFFSET: two bytes of the first region, which is one of ports, as a number in hex.
port_read() {
    dd if="$1/resource0" bs=2 skip=$(($2 / 2)) count=1 2> /dev/null | hexdump -e '2/1 "%02x"' | sed 's/\(..\)\(..\)/\2\1/'
}

port_write() {
    # shellcheck disable=SC2059
    printf "$3" | dd of="$1/resource0" bs=2 seek=$(($2 / 2)) conv=notrunc 2> /dev/null
}
