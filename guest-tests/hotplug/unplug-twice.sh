#!/bin/sh
# A second request to unplug a device is answered, whether or not the first is still pending, and the device goes.
#: requires.devices = ["virtio-blk-pci"]
#: slots = 1
#: groups = ["hotplug"]
#: machine.x86_64 = "pc"

in_host() {
    truncate -s 8M "$SCRATCH/disk"
    qemu -blockdev driver=raw,node-name=d0,file.driver=file,file.filename="$SCRATCH/disk"
}

in_guest() {
    for round in 1 2 3; do
        disk=$(plug virtio-blk-pci drive=d0)
        qmp device_del id="$disk"
        qmp device_del id="$disk" && echo "round $round: accepted twice" || echo "round $round: refused the second time"
        release "$disk"
        qmp_wait DEVICE_DELETED device="$disk" --timeout 30
    done
}
