#!/bin/sh
# A processor in a compatibility mode shows itself to the guest as the older one.
#: arch = ["ppc64", "ppc64le"]

in_host() {
    mode=$(choose mode power8 power9 power10)
    qemu -cpu power10 -machine "max-cpu-compat=$mode" -append "mode=$mode"
}

in_guest() {
    cpu=$(grep -m 1 '^cpu' /proc/cpuinfo)
    echo "$cpu"
    mode=$(sed 's/.*mode=power\([0-9]*\).*/\1/' /proc/cmdline)
    echo "$cpu" | grep -qw "POWER$mode"
}
