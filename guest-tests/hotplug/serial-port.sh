#!/bin/sh
# A port plugged into a virtio-serial controller carries what the guest writes, goes, and makes room for the next.
#: groups = ["hotplug"]
#: requires.devices = ["virtio-serial-pci", "virtserialport"]

in_host() {
    qemu -device virtio-serial-pci,id=serial1 -chardev ringbuf,id=ring
}

in_guest() {
    for round in 1 2; do
        port=$(plug virtserialport bus=serial1.0 chardev=ring name="org.kiln.round$round")
        wait_for "grep -l org.kiln.round$round /sys/class/virtio-ports/*/name"
        name=$(grep -l "org.kiln.round$round" /sys/class/virtio-ports/*/name)
        device=/dev/$(basename "$(dirname "$name")")
        wait_for "test -c $device"
        echo "written in round $round" > "$device"
        test "$(qmp ringbuf-read device=ring size=100)" = "\"written in round $round\\n\""
        unplug "$port"
        wait_for "test ! -e $device"
    done
}
