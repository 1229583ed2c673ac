#!/bin/sh
# VOF, the small firmware inside QEMU, gives the guest its options under /chosen and in the tree's root.
#: arch = ["ppc64", "ppc64le"]
#: start = "cold"

in_host() {
    qemu -uuid 00112233-4455-6677-8899-aabbccddeeff -name kiln-guest
}

property() {
    tr -d '\0' < "/proc/device-tree/$1"
}

in_guest() {
    test ! -e /proc/device-tree/openprom/model || ! grep -q SLOF /proc/device-tree/openprom/model
    test "$(property vm,uuid)" = 00112233-4455-6677-8899-aabbccddeeff
    test "$(property ibm,partition-name)" = kiln-guest
}
