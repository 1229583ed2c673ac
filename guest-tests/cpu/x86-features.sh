#!/bin/sh
# Processor features that are named on the command line come and go in the guest, and only these.
#: arch = ["x86_64"]
#: requires.qemu = "9.0"

in_host() {
    qemu -cpu max,-avx,+smap,-rdrand,+x2apic
}

in_guest() {
    flags=$(grep -m 1 '^flags' /proc/cpuinfo)
    echo "$flags"
    for flag in smap x2apic sse4_2 rdseed; do
        echo "$flags" | grep -qw "$flag" || fail "$flag is missing"
    done
    for flag in avx rdrand; do
        ! echo "$flags" | grep -qw "$flag" || fail "$flag is present"
    done
}
