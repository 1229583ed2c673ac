#!/bin/sh
# An assertion of QEMU fails, and its text is the cause.

in_host() {
    qemu -name fault-asserts
}
