#!/bin/sh
# A packet dump of QEMU's has what the guest sent and what it got, and is a well-formed pcap file.
#: groups = ["net"]
#: requires.devices = ["virtio-net-pci"]
#: requires.netdevs = ["user"]

in_host() {
    qemu -netdev user,id=n0 -object filter-dump,id=dump0,netdev=n0,file="$SCRATCH/dump.pcap" \
        -device virtio-net-pci,netdev=n0
    # The file has the host's byte order; 0001 is Ethernet.
    case $(od -An -tx4 -N 4 "$SCRATCH/dump.pcap") in
        *a1b2c3d4) ;;
        *) fail "the dump does not start as pcap files do" ;;
    esac
    # One request, one answer to it.
    test "$(grep -aoE 'k{40,}' "$SCRATCH/dump.pcap" | wc -l)" = 2
}

in_guest() {
    ip addr add 10.0.2.15/24 dev eth0
    ip link set eth0 up
    # 6b is a `k`; an echo request comes back as it was sent.
    ping -c 1 -p 6b 10.0.2.2
}
