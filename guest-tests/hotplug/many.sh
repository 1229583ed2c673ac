#!/bin/sh
# Four devices plugged one after the other are there at the same time; asked back together they all go.
#: slots = 4
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.devices = ["virtio-balloon-pci", "virtio-rng-pci"]

# devices: how many of the plugged kinds the guest has.
devices() {
    cat /sys/bus/pci/devices/*/device | grep -cE '0x(1044|1045|1002|1005)'
}

in_guest() {
    before=$(devices || :)
    ids=$(for _ in 1 2 3; do plug virtio-rng-pci; done && plug virtio-balloon-pci)
    test "$(devices)" = $((before + 4))
    for id in $ids; do
        qmp device_del id="$id"
        release "$id"
    done
    for id in $ids; do
        qmp_wait DEVICE_DELETED device="$id" --timeout 30
    done
    test "$(devices || :)" = "$before"
}
