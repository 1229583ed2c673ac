#!/bin/sh
# A QEMU that dies while it ends has not passed, whatever its guest said before.

in_host() {
    qemu -name fault-dies-late
}
