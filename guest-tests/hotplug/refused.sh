#!/bin/sh
# What cannot be plugged or unplugged is refused with its reason, and leaves the guest as it was.
#: slots = 1
#: groups = ["hotplug"]
#: requires.devices = ["virtio-rng-pci"]

in_host() {
    qemu -device virtio-rng-pci,id=taken
}

# refused TEXT COMMAND…: the monitor refuses the command with this text.
refused() {
    text=$1
    shift
    ! qmp "$@" 2> /tmp/refusal || fail "not refused: $*"
    cat /tmp/refusal
    grep -q "$text" /tmp/refusal || fail "refused, but not by \`$text\`: $*"
}

in_guest() {
    before=$(ls /sys/bus/pci/devices)
    refused "Duplicate device ID" device_add driver=virtio-rng-pci id=taken
    refused "not found" device_add driver=virtio-rng-pci id=new bus=nowhere
    refused "not a valid device model" device_add driver=virtio-nonsense id=new
    refused "not found" device_add driver=virtio-rng-pci id=new rate=1
    refused "DeviceNotFound" device_del id=new
    test "$(ls /sys/bus/pci/devices)" = "$before"
    test "$(dd if=/dev/hwrng bs=64 count=1 | wc -c)" = 64
}
