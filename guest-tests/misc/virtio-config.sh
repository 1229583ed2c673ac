#!/bin/sh
# Devices that no program in the guest uses show in their configuration space what they were given.
# Not on s390x, where /dev/mem does not reach PCI memory.
#: except-arch = ["s390x"]
#: groups = ["virtio"]
#: choices.device = { devices = ["virtio-gpu-pci", "virtio-sound-pci", "virtio-crypto-pci"] }

in_host() {
    case $(choose device) in
        virtio-gpu-pci) qemu -append "type=16 offset=8 value=3" -device virtio-gpu-pci,max_outputs=3 ;;
        virtio-sound-pci)
            qemu -append "type=25 offset=4 value=5" -audiodev none,id=a0 -device virtio-sound-pci,audiodev=a0,streams=5
            ;;
        virtio-crypto-pci)
            qemu -append "type=20 offset=4 value=1" -object cryptodev-backend-builtin,id=c0 \
                -device virtio-crypto-pci,cryptodev=c0
            ;;
    esac
}

in_guest() {
    type=$(word type)
    offset=$(word offset)
    value=$(word value)
    # Virtio 1: 0x1040 and the type; the device's part begins at 0x2000 of QEMU's fourth region.
    device=$(pci_device "$(printf '1af4:%04x' $((0x1040 + type)))")
    virtio=$(ls -d "$device"/virtio*)
    # Feature 32 is virtio 1 itself.
    test "$(cut -c 33 "$virtio/features")" = 1 || test -z "$(tr -d '0\n' < "$virtio/features")"
    configuration=$(($(pci_bar "$device" 4) + 0x2000))
    test $(($(peek $((configuration + offset)) 32))) = "$value"
}

# What the host half put on the command line.
word() {
    sed "s/.*$1=\([^ ]*\).*/\1/" /proc/cmdline
}
