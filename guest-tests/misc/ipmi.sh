#!/bin/sh
# A management controller on a PCI card answers the kernel's IPMI driver with what it is.
#: arch = ["x86_64"]
#: requires.devices = ["ipmi-bmc-sim"]
#: choices.card = { devices = ["pci-ipmi-kcs", "pci-ipmi-bt"] }

in_host() {
    card=$(choose card)
    qemu -append "card=$card" -device ipmi-bmc-sim,id=bmc,mfg_id=0x1234,product_id=0x4321 -device "$card,bmc=bmc"
}

in_guest() {
    wait_for "test -d /sys/class/ipmi/ipmi0" 20
    bmc=/sys/class/ipmi/ipmi0/device/bmc
    test "$(cat $bmc/manufacturer_id)" = 0x001234
    test "$(cat $bmc/product_id)" = 0x4321
}
