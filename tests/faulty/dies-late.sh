#!/bin/sh
# A test whose QEMU crashes while it quits does not pass, even if its guest reported a pass.

in_host() {
    qemu -name fault-dies-late
}
