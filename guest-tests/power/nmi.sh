#!/bin/sh
# A non-maskable interrupt sent through QEMU's monitor arrives at the boot processor, once.
#: arch = ["x86_64"]

in_guest() {
    test "$(awk '/NMI:/ { print $2 }' /proc/interrupts)" = 0
    qmp inject-nmi
    wait_for "awk '/NMI:/ { exit \$2 == 0 }' /proc/interrupts"
    test "$(awk '/NMI:/ { print $2 }' /proc/interrupts)" = 1
}
