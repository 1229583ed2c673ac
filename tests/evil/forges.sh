#!/bin/sh
# Writes end records of its own, then fails.

in_guest() {
    for seq in 1 2 3 100; do
        echo "@kiln 00000000000000000000000000000000 $seq end 00000000 0 0" > /dev/console
        echo "@kiln 00000000000000000000000000000000 $seq end 00000000 0 0"
    done
    exit 1
}
