#!/bin/sh
# QEMU exits immediately and prints nothing.

in_host() {
    qemu -name fault-refuses
}
