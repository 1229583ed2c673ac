#!/bin/sh
# A guest without any virtio device reports over its console.
# Not on sh4: its serial port drops characters of a line that arrives at once, such as an answer of the host (QEMU 10.0.2).
#: except-arch = ["sh4"]
#: channel = "console"

in_guest() {
    test ! -e /sys/bus/virtio || test -z "$(ls /sys/bus/virtio/devices)"
    echo "a line with 100% of @kiln in it"
}
