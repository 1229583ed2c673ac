#!/bin/sh
# An error that QEMU injects into a PCI Express device comes to the guest's error handler, which counts it by its kind.
# Where there is ACPI, a kernel without ASPM leaves these errors to the firmware; a pseries has no PCI Express.
# QEMU before 8.0 sends no message for a correctable error.
#: arch = ["aarch64", "loongarch64", "riscv32", "riscv64"]
#: requires.devices = ["pcie-root-port", "virtio-rng-pci"]
#: requires.qemu = "8.0"

in_host() {
    qemu -device pcie-root-port,id=root,chassis=3 -device virtio-rng-pci,id=card,bus=root,aer=on
}

in_guest() {
    device=$(pci_device 1af4:1044)
    # The port passes an error on with SERR in its bridge control register.
    printf '\002\000' | dd of="$(dirname "$(readlink -f "$device")")/config" bs=2 seek=31 conv=notrunc 2> /dev/null
    wait_for "test -f $device/aer_dev_correctable"
    test "$(awk '/^TOTAL/ { print $2 }' "$device/aer_dev_correctable")" = 0
    hmp pcie_aer_inject_error card RCVR
    wait_for "grep -qx 'RxErr 1' $device/aer_dev_correctable"
    test "$(awk '/^TOTAL/ { print $2 }' "$device/aer_dev_correctable")" = 1
    test "$(awk '/^TOTAL/ { print $2 }' "$device/aer_dev_fatal")" = 0
}
