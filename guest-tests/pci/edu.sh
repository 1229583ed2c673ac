#!/bin/sh
# The educational device computes: its registers take values of their width and give them back as its manual says.
#: requires.devices = ["edu"]

in_host() {
    qemu -device edu
}

in_guest() {
    edu=$(pci_bar "$(pci_device 1234:11e8)" 0)
    # Its registers have the byte order of QEMU's target, where those of other PCI devices are little-endian; and a target may
    # run guests of either.
    # shellcheck disable=SC2034
    case $(peek "$edu" 32)-$KILN_ENDIAN in
        0x10000ed-*) ;;
        0xed000001-big) KILN_ENDIAN=little ;;
        0xed000001-little) KILN_ENDIAN=big ;;
        *) fail "the first register is not the device's identification" ;;
    esac

    poke $((edu + 4)) 32 0x12345678
    test "$(peek $((edu + 4)) 32)" = 0xedcba987

    for pair in 1:1 5:120 10:3628800 12:479001600; do
        poke $((edu + 8)) 32 "${pair%:*}"
        wait_for "test \$((\$(peek $((edu + 0x20)) 32) & 1)) = 0"
        test $(($(peek $((edu + 8)) 32))) = "${pair#*:}"
    done
}
