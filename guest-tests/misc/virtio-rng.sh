#!/bin/sh
# The guest reads random bytes from a virtio entropy device, and they are not all the same.
#: requires.devices = ["virtio-rng-pci"]

in_host() {
    qemu -device virtio-rng-pci
}

in_guest() {
    grep -q virtio_rng /sys/class/misc/hw_random/rng_current
    dd if=/dev/hwrng of=/tmp/a bs=64 count=1
    dd if=/dev/hwrng of=/tmp/b bs=64 count=1
    test "$(stat -c %s /tmp/a)" = 64
    ! cmp -s /tmp/a /tmp/b
}
