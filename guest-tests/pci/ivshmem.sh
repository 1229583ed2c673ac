#!/bin/sh
# Shared memory of an ivshmem device is the same memory on both sides: the guest reads the host's bytes, and the other way.
#: requires.devices = ["ivshmem-plain"]

in_host() {
    truncate -s 1M "$SCRATCH/shared"
    printf '\376\312\276\272' | dd of="$SCRATCH/shared" conv=notrunc 2> /dev/null
    printf 'end.' | dd of="$SCRATCH/shared" bs=4 seek=262143 conv=notrunc 2> /dev/null
    qemu -object memory-backend-file,id=shared,mem-path="$SCRATCH/shared",share=on,size=1M \
        -device ivshmem-plain,memdev=shared
    test "$(dd if="$SCRATCH/shared" bs=4 skip=4096 count=1 2> /dev/null)" = "kiln"
    test "$(tail -c 4 "$SCRATCH/shared")" = "done"
}

in_guest() {
    device=$(pci_device 1af4:1110)
    shared=$(pci_bar "$device" 2)
    test "$(peek "$shared" 32)" = 0xbabecafe
    end=$((shared + (1 << 20) - 4))
    test "$(peek "$end" 32)" = 0x2e646e65
    poke $((shared + 4 * 4096)) 32 0x6e6c696b
    poke "$end" 32 0x656e6f64
    # The last byte of the region is the last one of the file.
    test $(($(sed -n '3s/[^ ]* \([^ ]*\).*/\1/p' "$device/resource") - shared)) = $(((1 << 20) - 1))
}
