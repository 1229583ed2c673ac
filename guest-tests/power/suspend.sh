#!/bin/sh
# A guest that suspends to RAM is woken through QMP and runs on.
#: arch = ["x86_64"]
#: groups = ["acpi"]

in_host() {
    # At a wake-up QEMU writes an ELF kernel into memory again, over the sleeping one.
    qemu -kernel "$KILN_IMAGE/compressed" &
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
