#!/bin/sh
# Writes end records on the console, which is its channel: forged, replayed, damaged, binary, endless.
#: channel = "console"

in_guest() {
    exec 3> /dev/console
    for seq in 1 2 3 100; do
        echo "@kiln 00000000000000000000000000000000 $seq end 00000000 0 0" >&3
        echo "@kiln - $seq end 00000000 0 0" >&3
    done
    printf '@kiln \377\376\200 1 end 00000000 0 0\n' >&3
    printf '\n@kiln ' >&3
    head -c 40000 /dev/zero | tr '\000' A >&3
    printf '\n' >&3
    exit 1
}
