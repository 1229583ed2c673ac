#!/bin/sh
# QEMU does not know an option.

in_host() {
    qemu -device no-such-device
}
