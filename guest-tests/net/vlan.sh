#!/bin/sh
# Tagged frames pass between two cards, and a VLAN does not hear another.
#: groups = ["net"]
#: choices.nic = { devices = ["e1000", "e1000e", "igb", "rtl8139", "vmxnet3", "virtio-net-pci"] }

in_host() {
    nic=$(choose nic)
    qemu -netdev hubport,id=p0,hubid=0 -netdev hubport,id=p1,hubid=0 \
        -device "$nic,netdev=p0,mac=52:54:00:00:00:01" -device virtio-net-pci,netdev=p1,mac=52:54:00:00:00:02
}

in_guest() {
    wait_for "grep -l 52:54:00:00:00:01 /sys/class/net/*/address"
    for number in 1 2; do
        address=$(grep -l "52:54:00:00:00:0$number" /sys/class/net/*/address)
        eval "card$number=$(basename "$(dirname "$address")")"
    done
    unshare -n sleep 60 &
    other=$!
    wait_for "test \$(readlink /proc/$other/ns/net) != $(readlink /proc/self/ns/net)"
    # shellcheck disable=SC2154
    ip link set "$card2" netns "$other"
    # shellcheck disable=SC2154
    ip link set "$card1" up
    nsenter -t "$other" -n ip link set "$card2" up
    for tag in 5 4094; do
        vconfig add "$card1" $tag
        ip addr add "192.0.$((tag % 256)).1/24" dev "$card1.$tag"
        ip link set "$card1.$tag" up
    done
    nsenter -t "$other" -n vconfig add "$card2" 5
    nsenter -t "$other" -n ip addr add 192.0.5.2/24 dev "$card2.5"
    nsenter -t "$other" -n ip link set "$card2.5" up
    wait_for "ping -c 1 -W 1 192.0.5.2"
    # With the tag, a frame of full length is four bytes longer.
    ping -c 2 -i 0.1 -s 1472 192.0.5.2
    # The same address behind another tag does not answer.
    nsenter -t "$other" -n ip addr add 192.0.254.2/24 dev "$card2.5"
    if ping -c 1 -W 1 192.0.254.2; then
        fail "a frame of VLAN 4094 came to VLAN 5"
    fi
    kill "$other"
}
