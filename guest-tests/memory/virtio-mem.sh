#!/bin/sh
# A virtio-mem device gives the guest the memory that QEMU asks it to take, and gets back what it asks back.
#: arch = ["x86_64", "aarch64"]
#: requires.devices = ["virtio-mem-pci"]

in_host() {
    qemu -m 256M,maxmem=1G -object memory-backend-ram,id=vmem,size=512M \
        -device virtio-mem-pci,id=vm0,memdev=vmem,requested-size=0
}

total() {
    awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo
}

# request MIB: asks the guest to have so much of the device's memory plugged, and waits until it has.
request() {
    qmp qom-set path=vm0 property=requested-size value=$(($1 * 1024 * 1024))
    wait_for "test \$(qmp qom-get path=vm0 property=size) = $(($1 * 1024 * 1024))"
    echo "$1 MiB plugged, MemTotal $(total) MiB"
}

in_guest() {
    cat /sys/devices/system/memory/auto_online_blocks
    echo online_movable > /sys/devices/system/memory/auto_online_blocks
    before=$(total)
    request 256
    test "$(total)" = $((before + 256))
    request 128
    test "$(total)" = $((before + 128))
    request 0
    test "$(total)" = "$before"
}
