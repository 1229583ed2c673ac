#!/bin/sh
# The default processor of a machine has the same flags as before.
# Not on riscv64, whose machine has no versions. Between QEMU 7.2 and 10.0 the processor of existing pseries machine types was corrected.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]
#: groups = ["fingerprint"]
#: requires.qemu = "10.0"
#: requires.accel = "tcg"
#: start = "cold"

in_host() {
    case $KILN_ARCH in
        x86_64) machine=pc-q35-7.2 ;;
        aarch64) machine="virt-7.2 -cpu cortex-a57" ;;
        ppc64*) machine=pseries-7.2,x-vof=on ;;
    esac
    # shellcheck disable=SC2086 # some come with more words
    qemu -machine $machine
}

in_guest() {
    processor
}
