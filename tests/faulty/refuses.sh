#!/bin/sh
# QEMU ends at once and says nothing.

in_host() {
    qemu -name fault-refuses
}
