#!/bin/sh
# Processor features that are named on the command line come and go in the guest, and only these.
#: arch = ["aarch64"]

in_host() {
    features=$(choose features sve=off,pauth=on sve=on,pauth=off)
    qemu -cpu "max,$features" -append "features=$features"
}

in_guest() {
    present=$(grep -m 1 '^Features' /proc/cpuinfo)
    echo "$present"
    echo "$present" | grep -qw sha512 || fail "a feature that was not removed is missing"
    for feature in sve pauth; do
        flag=$feature
        test "$feature" != pauth || flag=paca
        if grep -q "$feature=on" /proc/cmdline; then
            echo "$present" | grep -qw "$flag" || fail "$flag is missing"
        else
            ! echo "$present" | grep -qw "$flag" || fail "$flag is present"
        fi
    done
}
