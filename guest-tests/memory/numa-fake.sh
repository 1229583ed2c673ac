#!/bin/sh
# The kernel splits the memory of a machine without nodes into emulated ones.
#: arch = ["x86_64"]
#: smp = 2
#: append = "numa=fake=2"

in_guest() {
    test "$(cat /sys/devices/system/node/online)" = 0-1
    for node in 0 1; do
        test "$(sed -n 's/.*MemTotal: *\([0-9]*\) kB/\1/p' "/sys/devices/system/node/node$node/meminfo")" -gt 0
    done
    ! dmesg | grep -F 'cut here'
}
