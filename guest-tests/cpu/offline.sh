#!/bin/sh
# A processor that is taken offline runs nothing, and runs code again once it is back online.
# Not on ppc: the kernel cannot take processors of a ppce500 offline.
#: except-arch = ["ppc"]
#: smp = 3
#: requires.kernel = ["HOTPLUG_CPU"]

in_guest() {
    for cpu in 1 2; do
        echo 0 > "/sys/devices/system/cpu/cpu$cpu/online"
        test "$(cat /sys/devices/system/cpu/offline)" = "$cpu"
        ! taskset -c "$cpu" true || fail "cpu$cpu is offline and runs a program"
        echo 1 > "/sys/devices/system/cpu/cpu$cpu/online"
        test "$(cat /sys/devices/system/cpu/online)" = 0-2
        test "$(taskset -c "$cpu" sh -c 'cut -d" " -f39 /proc/self/stat')" = "$cpu"
    done
}
