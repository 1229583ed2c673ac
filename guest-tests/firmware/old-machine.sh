#!/bin/sh
# A machine as an older QEMU had it boots, and says which one it is.
# Not on riscv64, whose machine has no versions.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]

in_host() {
    case $KILN_ARCH in
        x86_64)
            machine=$(choose machine pc-q35-7.2 pc-q35-8.2 pc-q35-9.2 pc-i440fx-7.2 pc-i440fx-9.2)
            qemu -machine "$machine" -append "kiln-machine=$machine"
            ;;
        aarch64)
            machine=$(choose machine virt-7.2 virt-8.2 virt-9.2)
            qemu -machine "$machine" -cpu cortex-a57 -append "kiln-machine=$machine"
            ;;
        ppc64*)
            machine=$(choose machine pseries-7.2 pseries-8.2 pseries-9.2)
            qemu -machine "$machine,x-vof=on" -append "kiln-machine=$machine"
            ;;
    esac
}

in_guest() {
    machine=$(sed 's/.*kiln-machine=\([^ ]*\).*/\1/' /proc/cmdline)
    test "$(qmp qom-get path=/machine property=type)" = "\"$machine-machine\""
    test -n "$(ls /sys/bus/pci/devices)"
    # On x86 it is also a string of the SMBIOS tables.
    test "$KILN_ARCH" != x86_64 || tr '\0' '\n' < /sys/firmware/dmi/tables/DMI | grep -qx "$machine"
}
