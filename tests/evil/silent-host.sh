#!/bin/sh
# A condition fails on the host and prints nothing.

in_host() {
    qemu
    echo something else
    test -e . && test "$(printf %s 5)" = 6
}

in_guest() {
    echo hello
}
