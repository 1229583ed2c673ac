#!/bin/sh
# A virtio-mem device comes to a running guest with its memory, gives it back, and can be taken out when it is empty.
#: arch = ["x86_64", "aarch64"]
#: slots = 1
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-mem-pci"]
#: requires.qemu = "8.2"

in_host() {
    qemu -m 256M,maxmem=1G -object memory-backend-ram,id=vmem,size=512M
}

# holds MIB: waits until the device has so much of its memory plugged.
holds() {
    wait_for "qmp qom-get path=vm0 property=size | grep -qx $(($1 * 1024 * 1024))"
}

in_guest() {
    echo online_movable > /sys/devices/system/memory/auto_online_blocks
    device=$(plug virtio-mem-pci id=vm0 memdev=vmem requested-size=$((128 * 1024 * 1024)))
    holds 128
    ! qmp device_del id="$device" 2> /tmp/refusal || fail "a device that holds memory may go"
    cat /tmp/refusal
    qmp qom-set path=vm0 property=requested-size value=0
    holds 0
    unplug "$device"
    test "$(qmp query-memory-devices)" = "[]"
}
