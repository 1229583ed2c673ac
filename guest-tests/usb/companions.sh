#!/bin/sh
# Behind one set of ports a fast device goes to the EHCI controller and a slow one to a UHCI companion.
#: requires.devices = ["ich9-usb-ehci1", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3", "usb-storage", "usb-hub"]

in_host() {
    truncate -s 1M "$SCRATCH/disk"
    qemu -device ich9-usb-ehci1,id=usb,addr=6.7,multifunction=on \
        -device ich9-usb-uhci1,masterbus=usb.0,firstport=0,addr=6.0,multifunction=on \
        -device ich9-usb-uhci2,masterbus=usb.0,firstport=2,addr=6.1,multifunction=on \
        -device ich9-usb-uhci3,masterbus=usb.0,firstport=4,addr=6.2,multifunction=on \
        -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device usb-storage,bus=usb.0,port=1,drive=d0 \
        -device usb-hub,bus=usb.0,port=4
}

in_guest() {
    wait_for "test -d /sys/block/sda/device && test -e /sys/bus/usb/devices/*-2:1.0" 20
    disk=$(cd "/sys/block/sda/device" && pwd -P)
    case $disk in
        */*:06.7/usb*) ;;
        *) fail "the disk is at $disk" ;;
    esac
    hub=$(cd /sys/bus/usb/devices/*-2 && pwd -P)
    case $hub in
        */*:06.1/usb*) ;;
        *) fail "the hub is at $hub" ;;
    esac
    test "$(cat "$hub/speed")" = 12
}
