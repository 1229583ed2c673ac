#!/bin/sh
# What is written through any disk controller is in the image, and is there again after a reset.
#: reboots = 1
#: timeout = "60s"
#: start = "cold"
#: choices.controller.devices = ["virtio-blk-pci", "virtio-blk-pci-transitional", "virtio-blk-pci-non-transitional", "virtio-scsi-pci", "virtio-scsi-pci-transitional", "virtio-scsi-pci-non-transitional", "nvme", "ich9-ahci", "piix3-ide", "piix4-ide", "sii3112", "am53c974", "dc390", "megasas", "megasas-gen2", "sdhci-pci", "ufs", "usb-storage", "usb-uas", "usb-bot", "spapr-vscsi"]

in_host() {
    # Linux uses no port of a PIIX controller that the firmware did not enable at boot.
    controller=$(choose controller)
    truncate -s 64M "$SCRATCH/disk"
    # shellcheck disable=SC2046  # words
    qemu -blockdev driver=raw,node-name=disk,file.driver=file,file.filename="$SCRATCH/disk" $(disk_device "$controller" disk)
    has_pattern 1 "$SCRATCH/disk" 5
}

in_guest() {
    wait_for only_disk 20
    disk=/dev/$(only_disk)
    if test "$BOOTS" = 0; then
        put_pattern 1 "$disk" 5
        leave reboot
    fi
    has_pattern 1 "$disk" 5
}
