#!/bin/sh
# A read that fails on the host fails in the guest, with every disk controller; reads before and behind it succeed.
#: groups = ["block"]
#: timeout = "60s"
#: choices.controller = { devices = ["virtio-blk-pci", "virtio-scsi-pci", "nvme", "ich9-ahci", "megasas", "pvscsi", "usb-storage"] }

in_host() {
    for disk in $(offered controller); do
        truncate -s 8M "$SCRATCH/$disk"
        # A sector in the middle, which nothing reads at boot.
        set -- "$@" -blockdev '{"driver": "blkdebug", "node-name": "'"$disk"'",
            "inject-error": [{"event": "none", "iotype": "read", "sector": 10000, "errno": 5}],
            "image": {"driver": "file", "filename": "'"$SCRATCH/$disk"'"}}'
        # NVMe always reports errors and has no such property.
        report=rerror=report
        test "$disk" != nvme || report=
        # shellcheck disable=SC2046  # words
        set -- "$@" $(disk_device "$disk" "$disk" $report)
    done
    qemu -append "disks=$(offered controller | wc -l)" "$@"
}

in_guest() {
    wait_for "test \$(disks | wc -w) = $(kernel_parameter disks)" 20
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
