#!/bin/sh
# The pvpanic device of a PC's I/O ports is found by ACPI at the port it was given, and a byte there becomes an event.
#: arch = ["x86_64"]
#: requires.devices = ["pvpanic"]

in_host() {
    qemu -machine "$(choose machine pc q35)" -device pvpanic,ioport=0x515
}

in_guest() {
    grep -q QEMU0001 /sys/bus/acpi/devices/*/hid
    printf '\2' | dd of=/dev/port bs=1 seek=$((0x515)) conv=notrunc
    qmp_wait GUEST_CRASHLOADED action=run
}
