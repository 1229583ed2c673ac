#!/bin/sh
# SLOF, the full firmware of a pseries, starts the same kernel with the same command line as VOF does.
#: arch = ["ppc64", "ppc64le"]
#: machine = "pseries-slof"
#: append = "kiln-test=a,b"
#: start = "cold"

in_guest() {
    grep -qw 'kiln-test=a,b' /proc/cmdline
    tr -d '\0' < /proc/device-tree/chosen/bootargs | grep -qw 'kiln-test=a,b'
    tr -d '\0' < /proc/device-tree/openprom/model | grep -q SLOF
}
