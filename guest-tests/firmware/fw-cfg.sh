#!/bin/sh
# Blobs that QEMU was given by name are read by the guest, from a string and from a file, byte by byte.
#: arch = ["x86_64", "aarch64", "riscv32", "riscv64"]
#: start = "cold"

in_host() {
    seq 3000 > "$SCRATCH/blob"
    qemu -fw_cfg name=opt/org.kiln/word,string=hello -fw_cfg name=opt/org.kiln/file,file="$SCRATCH/blob"
}

in_guest() {
    blobs=/sys/firmware/qemu_fw_cfg/by_name/opt/org.kiln
    test "$(cat $blobs/word/raw)" = hello
    test "$(cat $blobs/word/size)" = 5
    seq 3000 | cmp - $blobs/file/raw
    test "$(cat /sys/firmware/qemu_fw_cfg/rev)" -ge 1
}
