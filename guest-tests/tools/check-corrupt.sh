#!/bin/sh
# `qemu-img check` finds and repairs leaked and missing reference counts of a qcow2 image.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

# poke OFFSET VALUE: writes 16 bits, most significant byte first.
poke() {
    # shellcheck disable=SC2059  # the format is made of octal escapes
    printf "\\$(printf %03o $(($2 / 256)))\\$(printf %03o $(($2 % 256)))" |
        dd of=disk.qcow2 bs=1 seek="$1" conv=notrunc status=none
}

# checks STATUS [OPTION]…: the exit status of a check.
checks() {
    expected=$1 result=0
    shift
    "$QEMU_IMG" check -f qcow2 "$@" disk.qcow2 > check.log 2>&1 || result=$?
    test "$result" = "$expected" || fail "check $*: exit status $result: $(tail -n 1 check.log)"
}

in_host() {
    # The header takes cluster 0; then come the table of reference counts, their first block, and the L1 table.
    "$QEMU_IMG" create -q -f qcow2 -o cluster_size=65536,refcount_bits=16 disk.qcow2 8M
    "$QEMU_IO" -f qcow2 -c 'write -q -P 9 0 1M' disk.qcow2
    checks 0
    clusters=$(($(stat -c %s disk.qcow2) / 65536))

    # One more cluster in the file is counted and not used.
    truncate -s +65536 disk.qcow2
    poke $((2 * 65536 + 2 * clusters)) 1
    checks 3
    grep -q '1 leaked clusters' check.log
    checks 0 -r leaks
    checks 0

    # The last cluster is used and not counted.
    poke $((2 * 65536 + 2 * (clusters - 1))) 0
    checks 2
    grep -q '^ERROR cluster' check.log
    checks 0 -r all
    checks 0
    "$QEMU_IO" -f qcow2 -c 'read -q -P 9 0 1M' disk.qcow2

    # A file that is no image at all is refused, not repaired.
    dd if=/dev/zero of=disk.qcow2 bs=512 count=1 conv=notrunc status=none
    checks 1 -r all
}
