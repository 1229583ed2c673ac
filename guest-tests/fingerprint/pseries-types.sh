#!/bin/sh
# What a guest sees of a pseries differs from one version of the machine to the next in what is listed here, and nothing else.
#: arch = ["ppc64", "ppc64le"]
#: groups = ["fingerprint"]
#: slow = true
#: timeout = "60s"
#: requires.qemu = "10.0"
#: start = "cold"

in_host() {
    machine_versions pseries ,x-vof=on
}

in_guest() {
    tell_version pci_functions virtio_features processor
}
