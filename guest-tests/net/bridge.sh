#!/bin/sh
# A frame passes from one virtual link through a bridge to another.

in_guest() {
    ip link add bridge0 type bridge
    ip link set bridge0 up
    # The kernel names the other end of each link veth0, veth1.
    for number in 0 1; do
        ip link add "link$number" type veth
        ip link set "veth$number" master bridge0
        ip link set "veth$number" up
        ip link set "link$number" up
    done
    wait_for "test \$(cat /sys/class/net/veth1/brport/state) = 3"
    before=$(cat /sys/class/net/link1/statistics/rx_packets)
    ip addr add 192.0.2.1/24 dev link0
    arping -c 1 -w 1 -I link0 192.0.2.2 || true
    wait_for "test \$(cat /sys/class/net/link1/statistics/rx_packets) -gt $before"
}
