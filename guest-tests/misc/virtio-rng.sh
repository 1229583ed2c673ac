#!/bin/sh
# The guest reads random bytes from a virtio entropy device, and they are not all the same.
#: groups = ["virtio"]
#: choices.rng = { devices = ["virtio-rng-pci", "virtio-rng-pci-transitional", "virtio-rng-pci-non-transitional"] }

in_host() {
    rng=$(choose rng)
    qemu -append "rng=$rng" -device "$rng"
}

in_guest() {
    # Between the two there is virtio 1, or not.
    modern=$(cut -c 33 "$(dirname /sys/bus/virtio/drivers/virtio_rng/virtio*/features)/features")
    test "$modern" = 1
    grep -q virtio_rng /sys/class/misc/hw_random/rng_current
    dd if=/dev/hwrng of=/tmp/a bs=64 count=1
    dd if=/dev/hwrng of=/tmp/b bs=64 count=1
    test "$(stat -c %s /tmp/a)" = 64
    ! cmp -s /tmp/a /tmp/b
}
