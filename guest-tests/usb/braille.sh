#!/bin/sh
# A Braille display shows itself as the serial adapter it is built around, which has a driver of its own.
#: requires.devices = ["qemu-xhci", "usb-braille"]

in_host() {
    qemu -device qemu-xhci -chardev file,id=c0,path="$SCRATCH/dots" -device usb-braille,chardev=c0
}

in_guest() {
    wait_for "grep -qx fe72 /sys/bus/usb/devices/*/idProduct"
    device=$(dirname "$(grep -lx fe72 /sys/bus/usb/devices/*/idProduct)")
    test "$(cat "$device/idVendor")" = 0403
    grep -q 'USB BAUM' "$device/product"
    wait_for "test -f $device/*:1.0/bInterfaceClass"
    test "$(cat "$device"/*:1.0/bInterfaceClass)" = ff
}
