#!/bin/sh
# The device tree has the nodes that it had when this machine type was made, and each is compatible with the same.
# Not on riscv64, whose machine has no versions.
#: arch = ["aarch64", "ppc64", "ppc64le"]
#: groups = ["fingerprint"]
#: requires.qemu = "10.0"
#: start = "cold"

in_host() {
    case $KILN_ARCH in
        aarch64) machine="virt-7.2 -cpu cortex-a57" ;;
        ppc64*) machine=pseries-7.2,x-vof=on ;;
    esac
    # shellcheck disable=SC2086 # some come with more words
    qemu -machine $machine
}

in_guest() {
    cd /proc/device-tree
    find . -type d | sort | while read -r node; do
        compatible=
        test ! -e "$node/compatible" || compatible=$(tr '\0' ' ' < "$node/compatible")
        echo "$node $compatible" | sed 's/^\.\/*/\//; s/ *$//'
    done
}
