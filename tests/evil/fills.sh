#!/bin/sh
# The host script writes four megabytes, which do not fit on a small disk.

in_host() {
    head -c 4194304 /dev/zero > "$SCRATCH/file"
    qemu
}
