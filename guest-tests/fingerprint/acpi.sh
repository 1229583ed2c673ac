#!/bin/sh
# The ACPI tables of an old machine type have the names, lengths and contents that this QEMU version gives them.
#: arch = ["x86_64", "aarch64"]
#: groups = ["fingerprint"]
#: requires.qemu = "10.0"
#: start = "cold"

# QEMU 11.1 lists the PPTT of an aarch64 machine twice in the XSDT; `acpi.aarch64.qemu-11.1.good` has it as it is.

in_host() {
    case $KILN_ARCH in
        x86_64) machine=pc-q35-7.2,sata=on,smbus=on,hpet=on ;;
        *) machine="virt-7.2 -cpu cortex-a57" ;;
    esac
    # shellcheck disable=SC2086 # some come with more words
    qemu -machine $machine
}

in_guest() {
    acpi_tables
}
