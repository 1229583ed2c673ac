#!/bin/sh
# A USB stick is put into a running guest, written, pulled out, and put in again with what was written.
#: groups = ["hotplug"]
#: requires.devices = ["qemu-xhci", "usb-storage"]

in_host() {
    truncate -s 8M "$SCRATCH/stick"
    qemu -device qemu-xhci,id=xhci -blockdev driver=file,node-name=stick,filename="$SCRATCH/stick"
}

in_guest() {
    dd if=/dev/urandom of=/tmp/data bs=4k count=16
    stick=$(plug usb-storage bus=xhci.0 drive=stick serial=kiln-first)
    wait_for "true < /dev/sda" 20
    grep -q kiln-first /sys/bus/usb/devices/*/serial
    dd if=/tmp/data of=/dev/sda bs=4k seek=5 conv=fsync
    unplug "$stick"
    wait_for "test ! -e /dev/sda"

    plug usb-storage bus=xhci.0 drive=stick serial=kiln-second
    wait_for "grep -q kiln-second /sys/bus/usb/devices/*/serial" 20
    wait_for "ls /dev/sd?" 20
    device=$(echo /dev/sd?)
    wait_for "true < $device" 20
    dd if="$device" bs=4k skip=5 count=16 | cmp - /tmp/data
}
