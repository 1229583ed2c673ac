#!/bin/sh
# With every card, a link that QEMU takes down and up again loses and regains its carrier in the guest, and then works as before.
#: groups = ["net"]
#: timeout = "60s"
#: requires.netdevs = ["user"]
#: requires.devices = ["e1000", "e1000e", "igb", "pcnet", "rtl8139", "virtio-net-pci", "vmxnet3"]

in_host() {
    number=1
    # QEMU's i8255x family (eepro100.c) does not learn of its link state.
    for nic in e1000 e1000e igb pcnet rtl8139 virtio-net-pci vmxnet3; do
        set -- "$@" -netdev "user,id=n$number" -device "$nic,netdev=n$number,id=nic$number,mac=52:54:00:00:00:0$number"
        number=$((number + 1))
    done
    qemu "$@"
}

in_guest() {
    wait_for "grep -q 52:54:00:00:00:06 /sys/class/net/*/address"
    for number in 1 2 3 4 5 6 7; do
        # This kernel may have no driver for vmxnet3.
        address=$(grep -l "52:54:00:00:00:0$number" /sys/class/net/*/address) || continue
        card=$(basename "$(dirname "$address")")
        driver=$(basename "$(readlink "/sys/class/net/$card/device/driver")")
        # The e1000e of QEMU 7 does not interrupt the guest when its link goes down.
        if test "$driver" = e1000e && qmp query-version | grep -q '"major":7'; then
            continue
        fi
        echo "$driver"
        ip link set "$card" up
        carrier 1
        qmp set_link name="nic$number" up=false
        carrier 0
        qmp set_link name="nic$number" up=true
        carrier 1
        udhcpc -i "$card" -f -n -q
        ping -c 1 -I "$card" 10.0.2.2
        ip addr flush dev "$card"
        ip link set "$card" down
    done
}

# carrier 0|1: waits until the guest reports the state of the link.
carrier() {
    wait_for "grep -q $1 /sys/class/net/$card/carrier"
}
