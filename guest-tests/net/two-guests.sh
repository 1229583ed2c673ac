#!/bin/sh
# Two guests on one wire, a stream or datagrams, reach each other in both directions with data that arrives whole.
#: groups = ["net"]
#: timeout = "60s"
#: requires.devices = ["virtio-net-pci"]
#: requires.netdevs = ["stream", "dgram"]
#: choices.backend = ["stream", "dgram"]

in_host() {
    a=addr.type=unix,addr.path=$SCRATCH/wire,server=on
    b=addr.type=unix,addr.path=$SCRATCH/wire,server=off
    backend=$(choose backend)
    if test "$backend" = dgram; then
        a=local.type=unix,local.path=$SCRATCH/a,remote.type=unix,remote.path=$SCRATCH/b
        b=local.type=unix,local.path=$SCRATCH/b,remote.type=unix,remote.path=$SCRATCH/a
    fi
    qemu -name first -append "own=1 peer=2" -netdev "$backend,id=wire,$a" -device virtio-net-pci,netdev=wire,mac=52:54:00:00:00:01 &
    first=$!
    wait_ready -g first
    qemu -name second -append "own=2 peer=1" -netdev "$backend,id=wire,$b" -device virtio-net-pci,netdev=wire,mac=52:54:00:00:00:02
    wait "$first"
}

in_guest() {
    own=$(kernel_parameter own)
    peer=$(kernel_parameter peer)
    mkdir /tmp/www
    pattern "$own" > /tmp/www/data
    httpd -h /tmp/www
    ip addr add "192.0.2.$own/24" dev eth0
    ip link set eth0 up
    wait_for "ping -c 1 -W 1 192.0.2.$peer" 30
    wait_for "wget -q -O /tmp/data http://192.0.2.$peer/data"
    pattern "$peer" | cmp - /tmp/data
    # Who ends first would take its server with it.
    post "done-$own"
    await "done-$peer" 30
}
