#!/bin/sh
# The built-in TFTP server sends a file by IPv4; the router answers by IPv6, and gives the guest an address there.
#: groups = ["net"]
#: requires.devices = ["virtio-net-pci"]
#: requires.netdevs = ["user"]

in_host() {
    mkdir "$SCRATCH/tftp"
    seq 20000 > "$SCRATCH/tftp/numbers"
    qemu -netdev user,id=n0,tftp="$SCRATCH/tftp",ipv4=on,ipv6=on -device virtio-net-pci,netdev=n0
}

in_guest() {
    ip link set eth0 up
    udhcpc -i eth0 -f -n -q
    tftp -g -r numbers -l /tmp/numbers 10.0.2.2
    seq 20000 | cmp - /tmp/numbers
    wait_for "ip -6 addr show dev eth0 | grep -q 'inet6 fec0:'"
    ping6 -c 1 fec0::2
}
