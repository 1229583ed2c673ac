#!/bin/sh
# The receive filter that QEMU shows is the one the guest set: addresses, multicast, promiscuous mode.
#: groups = ["net"]
#: requires.devices = ["virtio-net-pci"]

in_host() {
    qemu -netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,id=nic0,mac=52:54:00:12:34:57
}

in_guest() {
    ip link set eth0 up
    filter "\"main-mac\": *\"52:54:00:12:34:57\""
    filter "\"promiscuous\": *false"

    ip link set eth0 promisc on
    filter "\"promiscuous\": *true"
    ip link set eth0 promisc off
    filter "\"promiscuous\": *false"

    # The multicast group of an IPv6 address ends with that address.
    ip -6 addr add fd00::ab:cdef/64 dev eth0
    filter "\"33:33:ff:ab:cd:ef\""

    ip link set eth0 down
    ip link set eth0 address 52:54:00:65:43:21
    ip link set eth0 up
    filter "\"main-mac\": *\"52:54:00:65:43:21\""
}

# QEMU's filter comes to hold this; it says `false` where it shows nothing.
filter() {
    wait_for "qmp query-rx-filter name=nic0 | grep -q '$1'"
}
