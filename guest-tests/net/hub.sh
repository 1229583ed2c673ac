#!/bin/sh
# Two cards on one hub, each in a network of its own, reach each other with ordinary and with large packets.
#: groups = ["net"]
#: choices.nic = { devices = ["e1000", "e1000e", "virtio-net-pci"] }

in_host() {
    nic=$(choose nic)
    qemu -netdev hubport,id=p0,hubid=7 -netdev hubport,id=p1,hubid=7 \
        -device "$nic,netdev=p0,mac=52:54:00:00:00:01" -device "$nic,netdev=p1,mac=52:54:00:00:00:02"
}

in_guest() {
    card1=$(interface 52:54:00:00:00:01)
    card2=$(interface 52:54:00:00:00:02)
    # A second network for the second card; a process keeps it.
    unshare -n sleep 60 &
    other=$!
    wait_for "test \$(readlink /proc/$other/ns/net) != $(readlink /proc/self/ns/net)"
    ip link set "$card2" netns "$other"
    ip addr add 192.0.2.1/24 dev "$card1"
    ip link set "$card1" mtu 4000 up
    nsenter -t "$other" -n ip addr add 192.0.2.2/24 dev "$card2"
    nsenter -t "$other" -n ip link set "$card2" mtu 4000 up
    wait_for "ping -c 1 -W 1 192.0.2.2"
    ping -c 2 -i 0.1 -s 3900 192.0.2.2
    nsenter -t "$other" -n ping -c 2 -i 0.1 -s 3900 192.0.2.1
    kill "$other"
}
