#!/bin/sh
# The power button, pressed through QEMU's monitor, reaches the guest as an input event.
#: arch = ["x86_64", "aarch64"]

in_guest() {
    for device in /sys/class/input/event*; do
        if grep -qE 'Power Button|gpio-keys' "$device/device/name"; then
            button=/dev/input/${device##*/}
        fi
    done
    test -n "$button" || fail "no power button among the input devices"
    timeout 10 dd if="$button" of=/tmp/event bs=24 count=1 &
    usleep 200000
    qmp system_powerdown
    wait $!
    test -s /tmp/event
}
