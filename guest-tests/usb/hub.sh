#!/bin/sh
# A device behind two hubs in a row is found at its place and works, and so is one that is plugged there later, until it is removed.
#: requires.devices = ["qemu-xhci", "usb-hub", "usb-storage", "usb-kbd"]

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
    keyboard=$(plug usb-kbd bus=usb.0 port=2.3.2)
    wait_for "test -e /sys/bus/usb/devices/1-2.3.2/idProduct" 20
    unplug "$keyboard"
    wait_for "test ! -e /sys/bus/usb/devices/1-2.3.2" 20
}
