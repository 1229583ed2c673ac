#!/bin/sh
# Two cards joined outside of the guest, by a stream or by datagrams, reach each other.
#: groups = ["net"]
#: requires.devices = ["virtio-net-pci"]
#: requires.netdevs = ["stream", "dgram"]
# Which end is there first is left to QEMU's threads, so the one that calls must be able to call again.
#: requires.qemu = "9.2"

in_host() {
    a=addr.type=unix,addr.path=$SCRATCH/wire,server=on
    b=addr.type=unix,addr.path=$SCRATCH/wire,server=off,reconnect-ms=100
    backend=$(choose backend stream dgram)
    if test "$backend" = dgram; then
        a=local.type=unix,local.path=$SCRATCH/a,remote.type=unix,remote.path=$SCRATCH/b
        b=local.type=unix,local.path=$SCRATCH/b,remote.type=unix,remote.path=$SCRATCH/a
    fi
    qemu -netdev "$backend,id=p0,$a" -netdev "$backend,id=p1,$b" \
        -device virtio-net-pci,netdev=p0,mac=52:54:00:00:00:01 -device virtio-net-pci,netdev=p1,mac=52:54:00:00:00:02
}

in_guest() {
    unshare -n sleep 60 &
    other=$!
    wait_for "test \$(readlink /proc/$other/ns/net) != $(readlink /proc/self/ns/net)"
    ip link set eth1 netns "$other"
    ip addr add 192.0.2.1/24 dev eth0
    ip link set eth0 up
    nsenter -t "$other" -n ip addr add 192.0.2.2/24 dev eth1
    nsenter -t "$other" -n ip link set eth1 up
    wait_for "ping -c 1 -W 1 192.0.2.2"
    ping -c 2 -i 0.1 -s 1400 192.0.2.2
    kill "$other"
}
