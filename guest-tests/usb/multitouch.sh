#!/bin/sh
# Two fingers that QEMU puts on a touch screen are two contacts in the guest, each at its place.
#: requires.devices = ["virtio-multitouch-pci"]

in_host() {
    qemu -device virtio-multitouch-pci
}

in_guest() {
    wait_for "grep -qs 'QEMU.*MultiTouch' /sys/class/input/event*/device/name"
    name=$(grep -l 'QEMU.*MultiTouch' /sys/class/input/event*/device/name)
    event=${name#/sys/class/input/}
    exec 3< "/dev/input/${event%%/*}"
    touch_at 0 1000 2000
    touch_at 1 3000 4000
    timeout 10 cat <&3 > /tmp/events &
    # Type 3, absolute: 47 is the slot, 57 the contact's number, 53 and 54 its place.
    wait_for "test \"\$(input_events | grep -cx '3 5[34] [1-4]000')\" = 4"
    input_events | grep -A 4 -x '3 47 1' | grep -qx '3 53 3000'
    kill $!
}

# touch_at SLOT X Y: a finger comes down.
touch_at() {
    qmp input-send-event "events=[
        {\"type\": \"mtt\", \"data\": {\"type\": \"begin\", \"slot\": $1, \"tracking-id\": $1, \"axis\": \"x\", \"value\": 0}},
        {\"type\": \"mtt\", \"data\": {\"type\": \"data\", \"slot\": $1, \"tracking-id\": $1, \"axis\": \"x\", \"value\": $2}},
        {\"type\": \"mtt\", \"data\": {\"type\": \"data\", \"slot\": $1, \"tracking-id\": $1, \"axis\": \"y\", \"value\": $3}}]"
}
