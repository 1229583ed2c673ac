#!/bin/sh
# A virtual function of an igb gets a driver and takes the size of packets that its card takes.
#: arch = ["x86_64"]
#: requires.devices = ["igb"]
#: start = "cold"

in_host() {
    # If Linux found the card by a rescan, it hangs while it adds the virtual functions.
    qemu -device pcie-root-port,id=rp,chassis=1 -netdev user,id=n0 -device igb,netdev=n0,bus=rp
}

in_guest() {
    card=$(readlink -f /sys/class/net/eth0/device)
    echo 2 > "$card/sriov_numvfs"
    wait_for "test -d $card/virtfn0/net && test -d $card/virtfn1/net"
    test "$(basename "$(readlink "$card/virtfn0/driver")")" = igbvf
    function=$(ls "$card/virtfn0/net")
    ip link set eth0 up mtu 9000
    ip link set "$function" up mtu 9000
    test "$(cat "/sys/class/net/$function/mtu")" = 9000
    echo 0 > "$card/sriov_numvfs"
    wait_for "! test -e /sys/class/net/$function"
}
