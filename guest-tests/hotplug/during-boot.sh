#!/bin/sh
# A device that is plugged while the guest still boots is there when it is up, and works.
#: slots = 1
#: groups = ["hotplug"]
#: requires.devices = ["virtio-rng-pci"]

in_host() {
    qemu &
    plug virtio-rng-pci id=early
    wait $!
}

in_guest() {
    # A pseries may have had it in its first device tree already; then there is nothing to take in.
    grep -q virtio_rng /sys/class/misc/hw_random/rng_available || plugged early
    wait_for "grep -q virtio_rng /sys/class/misc/hw_random/rng_current"
    test "$(dd if=/dev/hwrng bs=64 count=1 | wc -c)" = 64
}
