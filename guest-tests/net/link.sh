#!/bin/sh
# With every card, a link that QEMU takes down and up again loses and regains its carrier in the guest, and then works as before.
#: groups = ["net"]
#: timeout = "60s"
#: requires.netdevs = ["user"]
# QEMU's i8255x family (eepro100.c) does not learn of its link state.
#: choices.nic = { devices = ["e1000", "e1000e", "igb", "pcnet", "rtl8139", "virtio-net-pci", "vmxnet3"] }

in_host() {
    number=0
    for nic in $(offered nic); do
        number=$((number + 1))
        set -- "$@" -netdev "user,id=n$number" -device "$nic,netdev=n$number,id=nic$number,mac=52:54:00:00:00:0$number"
    done
    qemu -append "cards=$number" "$@"
}

in_guest() {
    for number in $(seq "$(kernel_parameter cards)"); do
        card=$(interface "52:54:00:00:00:0$number")
        driver=$(basename "$(readlink "/sys/class/net/$card/device/driver")")
        if test "$driver" = e1000e && qmp query-version | grep -q '"major":7'; then
            echo "e1000e: not tested, because QEMU 7 does not interrupt the guest when the link goes down"
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
    wait_for "test \$(cat /sys/class/net/$card/carrier) = $1"
}
