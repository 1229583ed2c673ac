#!/bin/sh
# The PCI test device counts writes to its memory and port regions, of the width, at the offset and of the value it asks for.
#: requires.devices = ["pci-testdev"]
#: requires.kernel = ["HAS_IOPORT"]

in_host() {
    qemu -device pci-testdev,membar=4M
}

in_guest() {
    device=$(pci_device 1b36:0005)
    registers=$(pci_bar "$device" 0)
    tests=0
    for number in 0 1 2; do
        poke "$registers" 8 "$number"
        width=$(($(peek $((registers + 1)) 8)))
        test "$width" != 0 || continue
        offset=$(($(peek $((registers + 4)) 32)))
        data=$(peek $((registers + 8)) 32)
        before=$(($(peek $((registers + 12)) 32)))
        for _ in 1 2 3; do
            poke $((registers + offset)) $((8 * width)) "$data"
        done
        counted=$(($(peek $((registers + 12)) 32) - before))
        echo "test $number: width $width, offset $offset, data $data: counted $counted"
        # A write that an event descriptor takes does not come to the device.
        case $(peek $((registers + 21)) 8) in
            0x6e) test "$counted" = 3 ;; # mmio-no-eventfd
            *) test "$counted" = 0 ;;
        esac
        tests=$((tests + 1))
    done
    test "$tests" -gt 1

    # The third region is as large as was asked for.
    size=$(awk 'NR == 3 { print $1, $2 }' "$device/resource")
    test $((${size#* } - ${size% *} + 1)) = $((4 << 20))
}
