#!/bin/sh
# A guest that suspends to RAM is woken through QMP and runs on.
#: arch = ["x86_64"]
#: groups = ["acpi"]

in_host() {
    qemu &
    wait_ready
    qmp_wait SUSPEND
    qmp system_wakeup
    qmp_wait WAKEUP
    await awake
    wait
}

in_guest() {
    grep -qw mem /sys/power/state
    echo mem > /sys/power/state
    post awake
}
