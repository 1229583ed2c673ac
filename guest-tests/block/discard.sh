#!/bin/sh
# What the guest discards reads as zeros and is no longer in the image: a raw file has a hole there, qcow2 no cluster.
#: requires.tools = ["qemu-img"]
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd", "nvme"]
#: choices.format = ["raw", "qcow2"]
#: choices.device = ["virtio-blk-pci", "scsi-hd", "nvme"]

in_host() {
    format=$(choose format)
    device=$(choose device)
    cd "$SCRATCH"
    qemu-img create -q -f "$format" disk 16M
    case $device in
        virtio-blk-pci) set -- -device virtio-blk-pci,drive=disk ;;
        scsi-hd) set -- -device virtio-scsi-pci -device scsi-hd,drive=disk ;;
        nvme) set -- -device nvme,drive=disk,serial=kiln ;;
    esac
    qemu -blockdev "driver=$format,node-name=disk,discard=unmap,file.driver=file,file.filename=disk,file.discard=unmap" "$@"
    qemu-img map --output=json disk > layout
    # Written: 4 to 6 MiB; of this 4.5 to 5 MiB discarded.
    grep '"start": 4194304, "length": 524288, .* "zero": false' layout
    grep '"start": 4718592, "length": 524288, .* "zero": true, "data": false' layout
    grep '"start": 5242880, "length": [0-9]*, .* "zero": false' layout
}

in_guest() {
    wait_for only_disk
    disk=$(only_disk)
    dd if=/dev/urandom of=/tmp/data bs=1M count=2
    dd if=/tmp/data of="/dev/$disk" bs=1M seek=4 conv=fsync
    blkdiscard -o 4718592 -l 524288 "/dev/$disk"
    dd if=/dev/zero of=/tmp/data bs=512k seek=1 count=1 conv=notrunc
    echo 3 > /proc/sys/vm/drop_caches
    dd if="/dev/$disk" bs=1M skip=4 count=2 | cmp - /tmp/data
    # What was discarded is no longer in the image once the guest flushes.
    dd if=/tmp/data of="/dev/$disk" bs=64k count=1 conv=fsync
}
