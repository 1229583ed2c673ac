#!/bin/sh
# What a guest sees of a pc-q35 differs from one version of the machine to the next in what is listed here, and nothing else.
#: arch = ["x86_64"]
#: groups = ["fingerprint"]
#: slow = true
#: timeout = "60s"
#: requires.qemu = "10.0"
#: start = "cold"

in_host() {
    machine_versions pc-q35 ,sata=on,smbus=on,hpet=on,vmport=auto
}

in_guest() {
    tell_version pci_functions virtio_features acpi_tables processor
}
