#!/bin/sh
# A network test as they were written for qemu-test runs unchanged, but for the server it asks.
# Not on riscv64, where QEMU makes no card of `-net nic`.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]
#: requires.netdevs = ["user"]
#: requires.kernel = ["8139CP", "NE2K_PCI", "PCNET32", "E100", "E1000"]

in_host() {
    nic=$(named_choose nic tier2 rtl8139 e1000 virtio)
    if test "$nic" = "tier2"; then
        nic=$(named_choose nic.tier2 ne2k_pci i82557b i82559er pcnet)
    fi
    echo "Using networking card: $nic"

    mkdir "$SCRATCH/www"
    echo welcome > "$SCRATCH/www/index.html"
    url=$(serve "$SCRATCH/www")
    # As in net/nic.sh: the line of this card stays dead with QEMU's XIVE.
    test "$nic $KILN_MACHINE" != "ne2k_pci pseries" || set -- -machine ic-mode=xics
    qemu "$@" -nographic -enable-kvm -append "url=$url" -net user -net nic,model="$nic"
}

in_guest() {
    udhcpc -i eth0 -f -n -q
    wget -O /dev/null "$(kernel_parameter url)/index.html"
}

if test "$QEMU_TEST"; then
    in_host
else
    in_guest
fi
