#!/bin/sh
# What a guest sees of a virt differs from one version of the machine to the next in what is listed here, and nothing else.
#: arch = ["aarch64"]
#: groups = ["fingerprint"]
#: slow = true
#: timeout = "60s"
#: requires.qemu = "10.0"
#: start = "cold"

in_host() {
    machine_versions virt "" -cpu cortex-a57
}

in_guest() {
    tell_version pci_functions virtio_features acpi_tables
}
