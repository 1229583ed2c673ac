#!/bin/sh
# A guest's memory in a shared file of the host: what the guest keeps in its memory is in that file.
# Not on or1k and microblaze, whose machines ignore the memory backend that they are given (QEMU 10.0.2).
#: except-arch = ["microblaze", "microblazeel", "or1k"]
#: memory = "256M"

in_host() {
    qemu -object memory-backend-file,id=ram,size=256M,mem-path="$SCRATCH/ram",share=on \
        -machine memory-backend=ram
    test "$(stat -c %s "$SCRATCH/ram")" = 268435456
    grep -q 'kiln page 4711 of 4711' "$SCRATCH/ram"
}

in_guest() {
    # The words are put together here: in the script, which the guest has in memory too, they never stand so.
    for page in 4709 4710 4711; do
        printf 'kiln page %d of %d\n' "$page" "$page"
    done > /tmp/pages
    sync
}
