#!/bin/sh
# QEMU makes the ACPI tables that it made when this machine type was: their names, lengths and contents.
#: arch = ["x86_64", "aarch64"]
#: groups = ["fingerprint"]
#: requires.qemu = "10.0"

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
