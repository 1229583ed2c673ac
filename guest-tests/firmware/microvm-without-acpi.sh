#!/bin/sh
# A microvm without ACPI tables names its virtio devices on the kernel's command line.
#: arch = ["x86_64"]
#: machine = "microvm"
#: requires.machines = ["microvm"]
#: start = "cold"

in_host() {
    qemu -device virtio-rng-device
}

in_guest() {
    test ! -e /sys/firmware/acpi/tables/DSDT
    test "$(grep -o 'virtio_mmio.device=' /proc/cmdline | wc -l)" -ge 2
    # The control port and the entropy device.
    set -- /sys/bus/virtio/devices/*
    test $# = 2
}
