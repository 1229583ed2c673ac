#!/bin/sh
# The sound cards of the nineties have their registers behind ports, and what is written there is kept or refused as it should be.
#: requires.kernel = ["HAS_IOPORT"]
#: requires.devices = ["AC97", "ES1370"]

in_host() {
    qemu -audiodev none,id=a0 -device AC97,audiodev=a0 -device ES1370,audiodev=a0
}

in_guest() {
    ac97=$(pci_device 8086:2415)
    echo 1 > "$ac97/enable"
    # A write to the first register resets the codec: the master volume is then muted.
    set_port "$ac97" 0 0 16 0
    test "$(port "$ac97" 0 2 16)" = 0x8000
    set_port "$ac97" 0 2 16 0x0705
    test "$(port "$ac97" 0 2 16)" = 0x705
    # Who made the codec cannot be written.
    maker=$(port "$ac97" 0 0x7c 16)
    set_port "$ac97" 0 0x7c 16 0x0101
    test "$(port "$ac97" 0 0x7c 16)" = "$maker"
    test "$maker" != 0x101

    es1370=$(pci_device 1274:5000)
    echo 1 > "$es1370/enable"
    # The page register holds four bits.
    for page in 3 12; do
        set_port "$es1370" 0 0x0c 8 "$page"
        test $(($(port "$es1370" 0 0x0c 8) & 15)) = "$page"
    done
}
