#!/bin/sh
# A guest that switches a slot off by itself gives its device back to QEMU, which says so.
#: arch = ["aarch64", "loongarch64", "riscv32", "riscv64", "x86_64"]
#: slots = 1
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-rng-pci"]

in_guest() {
    plug virtio-rng-pci id=rng
    device=$(basename "$(readlink -f /sys/class/misc/hw_random)")
    echo "$device"
    for slot in /sys/bus/pci/slots/*; do
        test "$(cat "$slot/address")" != 0000:01:00 || break
    done
    test "$(cat "$slot/adapter")" = 1
    echo 0 > "$slot/power"
    qmp_wait DEVICE_DELETED device=rng --timeout 20
    test ! -e /sys/bus/pci/devices/0000:01:00.0
}
