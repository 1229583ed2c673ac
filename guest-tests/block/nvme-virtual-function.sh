#!/bin/sh
# The physical function of an NVMe controller gives its virtual functions queues and brings them online.
#: requires.devices = ["nvme", "nvme-subsys", "nvme-ns"]
#: requires.qemu = "7.2"
#: arch = ["x86_64", "aarch64"]

in_host() {
    truncate -s 4M "$SCRATCH/disk"
    qemu -device nvme-subsys,id=subsystem -device pcie-root-port,id=rootport,chassis=1 \
        -device nvme,serial=kiln,id=controller,subsys=subsystem,bus=rootport,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2,max_ioqpairs=6,msix_qsize=7 \
        -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device nvme-ns,drive=d0,bus=controller,nsid=1,shared=on,detached=on
}

in_guest() {
    wait_for "test -e /dev/nvme0"
    device=$(readlink -f /sys/class/nvme/nvme0/device)
    test -e "$device/sriov_numvfs" || skip "the guest's kernel has no virtual functions"
    echo 0 > "$device/sriov_drivers_autoprobe"
    echo 1 > "$device/sriov_numvfs"
    nvme virt-mgmt /dev/nvme0 -c 1 -r 0 -a 8 -n 2
    nvme virt-mgmt /dev/nvme0 -c 1 -r 1 -a 8 -n 1
    nvme virt-mgmt /dev/nvme0 -c 1 -r 0 -a 9 -n 0
    nvme attach-ns /dev/nvme0 -n 1 -c 1
}
