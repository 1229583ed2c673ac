#!/bin/sh
# The guest powers itself off, and QEMU agrees that it did.
#: ends = "poweroff"

in_guest() {
    leave poweroff
}
