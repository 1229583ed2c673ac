#!/bin/sh
# The guest has the memory that QEMU was given, less what the kernel keeps for itself.
#: memory = "512M"

in_guest() {
    total=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    echo "MemTotal: $total MiB"
    test "$total" -gt 400
    test "$total" -le 512
}
