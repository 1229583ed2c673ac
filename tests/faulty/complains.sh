#!/bin/sh
# QEMU prints messages without end.

in_host() {
    qemu -name fault-complains
}

in_guest() {
    sleep 60
}
