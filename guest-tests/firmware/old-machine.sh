#!/bin/sh
# A machine as an older QEMU had it boots, and says which one it is.
# Not on riscv64, whose machine has no versions.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]
#: start = "cold"
# On x86_64, machine types before 4.0 cannot boot an ELF kernel through PVH.
#: choices.machine.x86_64 = { from = "machines", prefix = "pc-", except = [
#:     "pc-i440fx-2.0", "pc-i440fx-2.1", "pc-i440fx-2.2", "pc-i440fx-2.3", "pc-i440fx-2.4", "pc-i440fx-2.5",
#:     "pc-i440fx-2.6", "pc-i440fx-2.7", "pc-i440fx-2.8", "pc-i440fx-2.9", "pc-i440fx-2.10", "pc-i440fx-2.11",
#:     "pc-i440fx-2.12", "pc-i440fx-3.0", "pc-i440fx-3.1", "pc-q35-2.4", "pc-q35-2.5", "pc-q35-2.6", "pc-q35-2.7",
#:     "pc-q35-2.8", "pc-q35-2.9", "pc-q35-2.10", "pc-q35-2.11", "pc-q35-2.12", "pc-q35-3.0", "pc-q35-3.1"
#: ] }
#: choices.machine.aarch64 = { from = "machines", prefix = "virt-" }
#: choices.machine.ppc64 = { from = "machines", prefix = "pseries-" }
#: choices.machine.ppc64le = { from = "machines", prefix = "pseries-" }

in_host() {
    machine=$(choose machine)
    case $KILN_ARCH in
        x86_64) qemu -machine "$machine" -append "kiln-machine=$machine" ;;
        aarch64) qemu -machine "$machine" -cpu cortex-a57 -append "kiln-machine=$machine" ;;
        # The oldest ones have transactional memory by default, which TCG does not support.
        ppc64*) qemu -machine "$machine,x-vof=on,cap-htm=off" -append "kiln-machine=$machine" ;;
    esac
}

in_guest() {
    machine=$(kernel_parameter kiln-machine)
    test "$(qmp qom-get path=/machine property=type)" = "\"$machine-machine\""
    test -n "$(ls /sys/bus/pci/devices)"
    # On x86 it is also a string of the SMBIOS tables.
    test "$KILN_ARCH" != x86_64 || tr '\0' '\n' < /sys/firmware/dmi/tables/DMI | grep -qx "$machine"
}
