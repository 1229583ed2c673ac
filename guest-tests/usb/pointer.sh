#!/bin/sh
# Pointer positions and mouse movements sent through QEMU are what the guest's input device reports.
#: choices.pointer = { devices = [
#:     "usb-mouse", "usb-tablet", "virtio-mouse-pci", "virtio-tablet-pci",
#: ] }

in_host() {
    pointer=$(choose pointer)
    case $pointer in
        usb-*) set -- -device qemu-xhci ;;
    esac
    qemu -append "pointer=$pointer" "$@" -device "$pointer"
}

in_guest() {
    wait_for "grep -qsE 'QEMU.*(Mouse|Tablet)' /sys/class/input/event*/device/name"
    name=$(grep -lE 'QEMU.*(Mouse|Tablet)' /sys/class/input/event*/device/name | head -n 1)
    event=${name#/sys/class/input/}
    exec 3< "/dev/input/${event%%/*}"
    case $(sed 's/.*pointer=//' /proc/cmdline) in
        *tablet*) type=abs kind=3 x=8192 y=24576 ;;
        *) type=rel kind=2 x=11 y=-7 ;;
    esac
    qmp input-send-event "events=[
        {\"type\": \"$type\", \"data\": {\"axis\": \"x\", \"value\": $x}},
        {\"type\": \"$type\", \"data\": {\"axis\": \"y\", \"value\": $y}}]"
    qmp input-send-event 'events=[{"type": "btn", "data": {"button": "left", "down": true}}]'
    timeout 10 cat <&3 > /tmp/events &
    # Axes 0 and 1, then key 272, the left button.
    wait_for "events | grep -qx '$kind 0 $x'"
    wait_for "events | grep -qx '$kind 1 $y'"
    wait_for "events | grep -qx '1 272 1'"
    kill $!
}

# The events that came so far, each as type, code and value (of which the lower half is enough here).
events() {
    value=11
    test "$KILN_ENDIAN" = little || value=12
    # An event is a time of 16 bytes, then the three.
    od -An -v -t d2 -w24 /tmp/events | awk -v value="$value" 'NF == 12 { print $9, $10, $value }'
}
