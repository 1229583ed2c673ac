#!/bin/sh
# The device tree that the guest gets says what QEMU was told: command line, processors, memory, initramfs.
#: arch = ["aarch64", "ppc64", "ppc64le", "riscv32", "riscv64"]
#: memory = "512M"
#: smp = 3
#: append = "kiln-test=tree"
#: start = "cold"

# cells FILE: the big-endian 32-bit numbers of a property, in hexadecimal.
cells() {
    xxd -p -c 4 "$1" | tr '\n' ' '
}

in_guest() {
    cd /proc/device-tree
    tr -d '\0' < chosen/bootargs | grep -qw kiln-test=tree
    test "$(cat cpus/*/device_type | tr '\0' '\n' | grep -cx cpu)" = 3
    size=0
    for reg in memory@*/reg; do
        # shellcheck disable=SC2046 # the numbers are words
        set -- $(cells "$reg")
        test $# = 4
        size=$((size + (0x$3 << 32) + 0x$4))
    done
    test "$size" = $((512 * 1024 * 1024))
    test -s chosen/linux,initrd-start
}
