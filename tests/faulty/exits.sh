#!/bin/sh
# QEMU exits immediately with status 0.

in_host() {
    qemu -name fault-exits
}
