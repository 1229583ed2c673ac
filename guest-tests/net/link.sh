#!/bin/sh
# A link that QEMU takes down and up again loses and regains its carrier in the guest, and then works as before.
#: groups = ["net"]
#: requires.netdevs = ["user"]
# QEMU's i8255x family (eepro100.c) does not learn of its link state.
#: choices.nic = { devices = ["e1000", "e1000e", "igb", "pcnet", "rtl8139", "vmxnet3", "virtio-net-pci"] }

in_host() {
    nic=$(choose nic)
    qemu -append "nic=$nic" -netdev user,id=n0 -device "$nic,netdev=n0,id=nic0"
}

in_guest() {
    if grep -q nic=vmxnet3 /proc/cmdline && test ! -d /sys/bus/pci/drivers/vmxnet3; then
        skip "this kernel has no driver for vmxnet3"
    fi
    if grep -q nic=e1000e /proc/cmdline && qmp query-version | grep -q '"major":7'; then
        skip "e1000e of QEMU 7 does not interrupt the guest when its link goes down"
    fi
    ip link set eth0 up
    wait_for "grep -q 1 /sys/class/net/eth0/carrier"
    qmp set_link name=nic0 up=false
    wait_for "grep -q 0 /sys/class/net/eth0/carrier"
    qmp set_link name=nic0 up=true
    wait_for "grep -q 1 /sys/class/net/eth0/carrier"
    udhcpc -i eth0 -f -n -q
    ping -c 1 10.0.2.2
}
