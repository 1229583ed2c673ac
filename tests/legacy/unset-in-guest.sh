#!/bin/sh
# A misspelt variable ends a guest script before QEMU gets the name of a file in the host's root directory.

in_guest() {
    # shellcheck disable=SC2154
    qmp pmemsave val=0 size=4096 filename="$SCRTCH/memory"
}
