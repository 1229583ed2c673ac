#!/bin/sh
# Keys sent through QEMU arrive in the guest as keyboard events, in order.
#: choices.keyboard = { devices = ["usb-kbd", "virtio-keyboard-pci"] }

in_host() {
    keyboard=$(choose keyboard)
    test "$keyboard" != usb-kbd || set -- -device qemu-xhci
    qemu "$@" -device "$keyboard"
}

in_guest() {
    wait_for "grep -qs 'QEMU.*Keyboard' /sys/class/input/event*/device/name"
    name=$(grep -l 'QEMU.*Keyboard' /sys/class/input/event*/device/name)
    event=${name#/sys/class/input/}
    exec 3< "/dev/input/${event%%/*}"
    for key in k i l n; do
        qmp send-key "keys=[{\"type\": \"qcode\", \"data\": \"$key\"}]"
    done
    # Type 1 is a key: its code, then 1 for down and 0 for up; 37 23 38 49 are k i l n.
    timeout 10 cat <&3 > /tmp/events &
    wait_for "keys | grep -qxF '37+ 37- 23+ 23- 38+ 38- 49+ 49-'"
    kill $!
}

# The events that came so far, each as type, code and value (of which the lower half is enough here).
events() {
    value=11
    test "$KILN_ENDIAN" = little || value=12
    # An event is a time of 16 bytes, then the three.
    od -An -v -t d2 -w24 /tmp/events | awk -v value="$value" 'NF == 12 { print $9, $10, $value }'
}

# The keys that went down and up.
keys() {
    events | sed -n 's/^1 \(.*\) 1$/\1+/p; s/^1 \(.*\) 0$/\1-/p' | paste -sd ' '
}
