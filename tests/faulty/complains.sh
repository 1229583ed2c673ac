#!/bin/sh
# QEMU writes messages without end.

in_host() {
    qemu -name fault-complains
}

in_guest() {
    sleep 60
}
