#!/bin/sh
# Devices the kernel has no driver for are enumerated: their numbers, names and interfaces come over the wire as they are.
#: requires.devices = ["qemu-xhci", "usb-audio", "usb-ccid", "usb-mtp", "usb-wacom-tablet"]

in_host() {
    mkdir "$SCRATCH/media"
    qemu -device qemu-xhci,p2=8,p3=8 -device usb-audio,audiodev=a0 -audiodev none,id=a0 -device usb-ccid \
        -device usb-mtp,rootdir="$SCRATCH/media" -device usb-wacom-tablet
}

in_guest() {
    # Class 01 is audio, 0b a smart card reader, 06 still images, as which MTP passes, 03 a human interface.
    for device in 46f4:0002:01 08e6:4433:0b 46f4:0004:06 056a:0000:03; do
        number=${device%:*}
        wait_for "test -n \"\$(of ${number%:*} ${number#*:})\""
        directory=$(of "${number%:*}" "${number#*:}")
        grep -q . "$directory/manufacturer"
        grep -q . "$directory/product"
        wait_for "test -f $directory/*:1.0/bInterfaceClass"
        test "$(cat "$directory"/*:1.0/bInterfaceClass)" = "${device##*:}"
    done
}

# The directory of the device with this vendor and product.
of() {
    for directory in /sys/bus/usb/devices/*; do
        test ! -f "$directory/idProduct" || test "$(cat "$directory/idVendor" "$directory/idProduct" | tr -d '\n')" != "$1$2" ||
            echo "$directory"
    done
}
