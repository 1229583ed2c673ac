#!/bin/sh
# Each USB host controller enumerates a device of the speed it is for and moves its data.
#: requires.devices = ["usb-storage", "usb-serial"]
#: choices.controller = { devices = [
#:     "qemu-xhci", "nec-usb-xhci", "usb-ehci", "ich9-usb-ehci1", "ich9-usb-ehci2", "pci-ohci", "piix3-usb-uhci", "piix4-usb-uhci",
#:     "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3", "ich9-usb-uhci4", "ich9-usb-uhci5", "ich9-usb-uhci6",
#: ] }

in_host() {
    controller=$(choose controller)
    seq 100000 | head -c 65536 > "$SCRATCH/disk"
    qemu -append "controller=$controller" -device "$controller,id=usb" \
        -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device usb-storage,bus=usb.0,drive=d0
    test "$(head -c 5 "$SCRATCH/disk")" = guest
}

in_guest() {
    wait_for "true < /dev/sda" 20
    case $(kernel_parameter controller) in
        *uhci* | *ohci*) speed=12 ;;
        *ehci*) speed=480 ;;
        *) speed=5000 ;;
    esac
    test "$(cat /sys/bus/usb/devices/1-1/speed /sys/bus/usb/devices/2-1/speed 2> /dev/null)" = "$speed"
    seq 100000 | head -c 65536 | cmp - /dev/sda
    printf guest | dd of=/dev/sda conv=notrunc,fsync
}
