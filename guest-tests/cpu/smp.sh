#!/bin/sh
# As many processors come online as QEMU was given, and each of them runs code.
#: smp = 4

in_guest() {
    test "$(cat /sys/devices/system/cpu/online)" = 0-3
    for cpu in 0 1 2 3; do
        test "$(taskset -c "$cpu" sh -c 'cut -d" " -f39 /proc/self/stat')" = "$cpu"
    done
}
