#!/bin/sh
# Two disks on one USB device, by the old bulk transport or the newer one for many commands at once.
#: requires.devices = ["qemu-xhci", "scsi-hd"]
#: choices.transport = { devices = ["usb-bot", "usb-uas"] }

in_host() {
    transport=$(choose transport)
    seq 5000 | head -c 16384 > "$SCRATCH/first"
    seq 9000 -1 1 | head -c 32768 > "$SCRATCH/second"
    qemu -append "transport=$transport" -device qemu-xhci,id=usb -device "$transport,id=disks,bus=usb.0" \
        -drive if=none,id=d0,file="$SCRATCH/first",format=raw \
        -drive if=none,id=d1,file="$SCRATCH/second",format=raw \
        -device scsi-hd,bus=disks.0,scsi-id=0,lun=0,drive=d0 -device scsi-hd,bus=disks.0,scsi-id=0,lun=1,drive=d1
}

in_guest() {
    wait_for "true < /dev/sda && true < /dev/sdb" 20
    case $(kernel_parameter transport) in
        usb-uas) test -L /sys/bus/usb/drivers/uas/*:1.0 ;;
        *) test -L /sys/bus/usb/drivers/usb-storage/*:1.0 ;;
    esac
    seq 5000 | head -c 16384 | cmp - "/dev/$(ls /sys/class/scsi_disk/*:0:0:0/device/block)"
    seq 9000 -1 1 | head -c 32768 | cmp - "/dev/$(ls /sys/class/scsi_disk/*:0:0:1/device/block)"
}
