#!/bin/sh
# Two functions of one device come together when function 0 is plugged, and go together.
#: arch = ["aarch64", "loongarch64", "riscv32", "riscv64", "x86_64"]
#: slots = 1
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-rng-pci", "virtio-balloon-pci"]

in_guest() {
    qmp device_add driver=virtio-balloon-pci id=second bus=slot1 addr='"0.1"'
    plug virtio-rng-pci id=first bus=slot1 addr='"0.0"' multifunction=true
    wait_for "ls -d /sys/bus/pci/devices/*:00.0/virtio?/../../*:00.1/virtio?"
    wait_for "grep -q virtio_rng /sys/class/misc/hw_random/rng_current"
    qmp device_del id=first
    qmp_wait DEVICE_DELETED device=first --timeout 30
    qmp_wait DEVICE_DELETED device=second --timeout 30
    ! ls -d /sys/bus/pci/devices/*:00.1 || fail "the second function is still there"
}
