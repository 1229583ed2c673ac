#!/bin/sh
# The kernel oopses and continues, and the test would pass.

in_guest() {
    echo "BUG: kernel NULL pointer dereference, address: 0000000000000000" > /dev/kmsg
}
