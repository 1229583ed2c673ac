#!/bin/sh
# What cannot be plugged or unplugged is refused with its reason, and leaves the guest as it was.
#: slots = 1
#: groups = ["hotplug"]
#: requires.devices = ["virtio-rng-pci"]

in_host() {
    qemu -device virtio-rng-pci,id=taken
}

# refused TEXT COMMAND…: the command fails with this text.
refused() {
    text=$1
    shift
    ! "$@" 2> /tmp/refusal || fail "not refused: $*"
    cat /tmp/refusal
    grep -q "$text" /tmp/refusal || fail "refused, but not by \`$text\`: $*"
}

in_guest() {
    before=$(ls /sys/bus/pci/devices)
    refused "Duplicate device ID" plug virtio-rng-pci id=taken
    refused "Bus 'nowhere' not found" plug virtio-rng-pci id=new bus=nowhere
    refused "not a valid device model name" plug virtio-nonsense id=new
    refused "'virtio-rng-pci.rate' not found" plug virtio-rng-pci id=new rate=1
    refused "Device 'new' not found" qmp device_del id=new
    case $KILN_MACHINE in
        q35 | virt) refused "does not support hotplugging" plug virtio-rng-pci bus=pcie.0 ;;
    esac
    test "$(ls /sys/bus/pci/devices)" = "$before"
    test "$(dd if=/dev/hwrng bs=64 count=1 | wc -c)" = 64
    # And the slot is still free for one that is right.
    plug virtio-rng-pci id=new
}
