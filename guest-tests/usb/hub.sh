#!/bin/sh
# A device behind two hubs in a row is found at its place and works.
#: requires.devices = ["qemu-xhci", "usb-hub", "usb-storage"]

in_host() {
    seq 5000 | head -c 16384 > "$SCRATCH/disk"
    qemu -device qemu-xhci,id=usb -device usb-hub,bus=usb.0,port=2 -device usb-hub,bus=usb.0,port=2.3 \
        -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device usb-storage,bus=usb.0,port=2.3.4,drive=d0
}

in_guest() {
    wait_for "true < /dev/sda && test -d /sys/block/sda/device" 20
    disk=$(cd /sys/block/sda/device && pwd -P)
    case $disk in
        */1-2/1-2.3/1-2.3.4/*) ;;
        *) fail "the disk is at $disk" ;;
    esac
    seq 5000 | head -c 16384 | cmp - /dev/sda
}
