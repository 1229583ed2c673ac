#!/bin/sh
# Takes the device of the control channel away from under the guest's init.

in_guest() {
    for device in /sys/bus/virtio/drivers/virtio_console/virtio*; do
        echo "${device##*/}" > /sys/bus/virtio/drivers/virtio_console/unbind
    done
    sleep 60
}
