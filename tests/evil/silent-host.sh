#!/bin/sh
# A condition fails on the host and prints nothing.

in_host() {
    qemu
    echo something else
    test -e nothing
}

in_guest() {
    echo hello
}
