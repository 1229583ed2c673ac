#!/bin/sh
# A guest without any virtio device reports over its console.
#: channel = "console"

in_guest() {
    test ! -e /sys/bus/virtio || test -z "$(ls /sys/bus/virtio/devices)"
    echo "a line with 100% of @kiln in it"
}
