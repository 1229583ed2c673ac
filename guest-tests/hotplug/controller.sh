#!/bin/sh
# A whole SCSI controller comes to a running guest, a disk on it works, and both go, on the machines that are no default.
#: arch = ["x86_64", "ppc64", "ppc64le"]
#: machine = { x86_64 = "pc", ppc64 = "pseries-slof", ppc64le = "pseries-slof" }
#: slots = 1
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-scsi-pci", "scsi-hd"]

in_host() {
    truncate -s 8M "$SCRATCH/disk"
    qemu -blockdev driver=file,node-name=disk,filename="$SCRATCH/disk"
}

in_guest() {
    dd if=/dev/urandom of=/tmp/data bs=64k count=16
    for round in 1 2; do
        # Without its own events: Linux 6.12's driver waits at its end for work that it never set up, and warns.
        controller=$(plug virtio-scsi-pci id="scsi$round" hotplug=false)
        wait_for "grep -lx virtio_scsi /sys/class/scsi_host/*/proc_name"
        host=$(dirname "$(grep -lx virtio_scsi /sys/class/scsi_host/*/proc_name)")
        disk=$(plug scsi-hd bus="scsi$round.0" drive=disk scsi-id=0 lun=0)
        echo 0 0 0 > "$host/scan"
        wait_for "ls /dev/sd?"
        device=$(echo /dev/sd?)
        wait_for "true < $device"
        if test "$round" = 1; then
            dd if=/tmp/data of="$device" bs=64k seek=7 conv=fsync
        else
            dd if="$device" bs=64k skip=7 count=16 | cmp - /tmp/data
        fi
        echo 1 > "/sys/block/${device##*/}/device/delete"
        unplug "$disk"
        unplug "$controller"
        test ! -e "$host" || fail "the controller is still there"
    done
}
