#!/bin/sh
# A machine as an older QEMU had it boots, and says which one it is.
# Not on riscv64, whose machine has no versions.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]
#: choices.machine.x86_64 = { from = "machines", prefix = "pc-" }
#: choices.machine.aarch64 = { from = "machines", prefix = "virt-" }
#: choices.machine.ppc64 = { from = "machines", prefix = "pseries-" }
#: choices.machine.ppc64le = { from = "machines", prefix = "pseries-" }

in_host() {
    machine=$(choose machine)
    case $KILN_ARCH in
        x86_64) qemu -machine "$machine" -append "kiln-machine=$machine" ;;
        aarch64) qemu -machine "$machine" -cpu cortex-a57 -append "kiln-machine=$machine" ;;
        ppc64*) qemu -machine "$machine,x-vof=on" -append "kiln-machine=$machine" ;;
    esac
}

in_guest() {
    machine=$(sed 's/.*kiln-machine=\([^ ]*\).*/\1/' /proc/cmdline)
    test "$(qmp qom-get path=/machine property=type)" = "\"$machine-machine\""
    test -n "$(ls /sys/bus/pci/devices)"
    # On x86 it is also a string of the SMBIOS tables.
    test "$KILN_ARCH" != x86_64 || tr '\0' '\n' < /sys/firmware/dmi/tables/DMI | grep -qx "$machine"
}
