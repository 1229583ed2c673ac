#!/bin/sh
# What a test appends to the kernel command line arrives there.
#: append = "kiln-test=a,b"
#: start = "cold"

in_guest() {
    grep -qw 'kiln-test=a,b' /proc/cmdline
}
