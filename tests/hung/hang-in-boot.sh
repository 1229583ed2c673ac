#!/bin/sh
# The kernel waits forever before it starts init.
#: append = "rdinit=/nowhere root=/dev/vdz rootwait panic=0"

in_guest() {
    true
}
