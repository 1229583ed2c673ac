#!/bin/sh
# A read that fails on the host fails in the guest, with every disk controller; reads before and behind it succeed.
#: groups = ["block"]
#: timeout = "60s"
#: requires.devices = ["virtio-blk-pci", "virtio-scsi-pci", "scsi-hd", "nvme", "ich9-ahci", "megasas", "qemu-xhci", "usb-storage"]
#: choices.others.x86_64 = { devices = ["pvscsi"] }
#: choices.others.aarch64 = [""]
#: choices.others.riscv64 = [""]
#: choices.others.ppc64 = [""]
#: choices.others.ppc64le = [""]

in_host() {
    others=$(choose others)
    for disk in virtio scsi nvme ahci megasas usb $others; do
        truncate -s 8M "$SCRATCH/$disk"
        # A sector in the middle, which nothing reads at boot.
        set -- "$@" -blockdev '{"driver": "blkdebug", "node-name": "'"$disk"'",
            "inject-error": [{"event": "none", "iotype": "read", "sector": 10000, "errno": 5}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/$disk"'"}}'
    done
    test -z "$others" || set -- "$@" -device "$others,id=o" -device "scsi-hd,bus=o.0,drive=$others,rerror=report"
    qemu -append "disks=$(echo virtio scsi nvme ahci megasas usb "$others" | wc -w)" "$@" \
        -device virtio-blk-pci,drive=virtio,rerror=report \
        -device virtio-scsi-pci,id=s -device scsi-hd,bus=s.0,drive=scsi,rerror=report \
        -device nvme,drive=nvme,serial=kiln \
        -device ich9-ahci,id=a -device ide-hd,bus=a.0,drive=ahci,rerror=report \
        -device megasas,id=m -device scsi-hd,bus=m.0,drive=megasas,rerror=report \
        -device qemu-xhci -device usb-storage,drive=usb,rerror=report
}

in_guest() {
    wait_for "test \$(disks | wc -w) = $(sed 's/.*disks=\([0-9]*\).*/\1/' /proc/cmdline)" 20
    for disk in $(disks); do
        wait_for "true < /dev/$disk"
        for sector in 8000 12000; do
            dd if="/dev/$disk" of=/dev/null iflag=direct skip=$sector count=1 2> /tmp/error ||
                fail "$disk: expected a read of sector $sector to succeed: $(cat /tmp/error)"
        done
        if dd if="/dev/$disk" of=/dev/null iflag=direct skip=10000 count=1 2> /tmp/error; then
            fail "$disk ($(readlink "/sys/block/$disk")): expected the read to fail, but it succeeded"
        fi
    done
}
