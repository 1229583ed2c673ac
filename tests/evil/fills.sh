#!/bin/sh
# The host half writes four megabytes, which is much where the disk is small.

in_host() {
    head -c 4194304 /dev/zero > "$SCRATCH/file"
    qemu
}
