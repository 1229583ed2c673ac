#!/bin/sh
# A discard that is longer than one range frees all of its blocks and no others, with every controller.
#: groups = ["block"]
#: timeout = "60s"
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd", "nvme", "ich9-ahci"]

in_host() {
    for disk in virtio scsi nvme ahci; do
        truncate -s 256M "$SCRATCH/$disk"
        set -- "$@" -blockdev "driver=raw,node-name=$disk,discard=unmap,file.driver=file,file.discard=unmap,file.filename=$SCRATCH/$disk"
    done
    qemu "$@" -device virtio-blk-pci,drive=virtio \
        -device virtio-scsi-pci,id=s -device scsi-hd,bus=s.0,drive=scsi \
        -device nvme,drive=nvme,serial=kiln \
        -device ich9-ahci,id=a -device ide-hd,bus=a.0,drive=ahci
    truncate -s 512K "$SCRATCH/zeros"
    for disk in virtio scsi nvme ahci; do
        for mib in 8 200; do
            has_pattern 1 "$SCRATCH/$disk" $mib || fail "$disk: expected the data at $mib MiB to be kept"
        done
        for mib in 16 110; do
            dd if="$SCRATCH/$disk" bs=1M skip=$mib count=1 status=none | cmp -s -n 524288 - "$SCRATCH/zeros" ||
                fail "$disk: expected zeros at $mib MiB, found data"
        done
    done
}

in_guest() {
    wait_for "test \$(disks | wc -w) = 4" 20
    for disk in $(disks); do
        wait_for "true < /dev/$disk"
        for mib in 8 16 110 200; do
            put_pattern 1 "/dev/$disk" $mib
        done
        # A range of an ATA disk has 65535 sectors at most.
        blkdiscard -o $((16 * 1048576)) -l $((184 * 1048576)) "/dev/$disk"
        dd if=/dev/null of="/dev/$disk" conv=notrunc,fsync status=none
    done
}
