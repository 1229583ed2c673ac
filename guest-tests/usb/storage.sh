#!/bin/sh
# A USB stick on an xHCI controller is read and written.
#: requires.devices = ["qemu-xhci", "usb-storage"]

in_host() {
    truncate -s 8M "$SCRATCH/stick"
    qemu -device qemu-xhci,id=xhci -drive if=none,id=stick,file="$SCRATCH/stick",format=raw \
        -device usb-storage,bus=xhci.0,drive=stick,serial=kiln-usb
}

in_guest() {
    wait_for "true < /dev/sda" 20
    grep -q kiln-usb /sys/bus/usb/devices/*/serial
    dd if=/dev/urandom of=/tmp/data bs=4k count=16
    dd if=/tmp/data of=/dev/sda bs=4k seek=5 conv=fsync
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/sda bs=4k skip=5 count=16 | cmp - /tmp/data
}
