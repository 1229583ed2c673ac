#!/bin/sh
# A table given by -acpitable is among the guest's ACPI tables, byte for byte, with a right checksum.
#: arch = ["x86_64"]
#: start = "cold"

in_host() {
    echo "kiln's own table" > "$SCRATCH/data"
    qemu -machine "$(choose machine pc q35)" \
        -acpitable "sig=KILN,rev=3,oem_id=KILNID,data=$SCRATCH/data"
}

in_guest() {
    table=/sys/firmware/acpi/tables/KILN
    dd if="$table" bs=1 skip=36 2> /dev/null | grep -qx "kiln's own table"
    test "$(dd if="$table" bs=1 count=4 2> /dev/null)" = KILN
    test "$(dd if="$table" bs=1 skip=10 count=6 2> /dev/null)" = KILNID
    sum=0
    for byte in $(hexdump -v -e '1/1 "%u "' "$table"); do
        sum=$(((sum + byte) % 256))
    done
    test "$sum" = 0
}
