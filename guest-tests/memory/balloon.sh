#!/bin/sh
# The balloon takes memory from the guest when QEMU asks, tells QEMU how much, and gives it back.
#: memory = "256M"
#: requires.devices = ["virtio-balloon-pci"]

in_host() {
    qemu -device virtio-balloon-pci
}

total() {
    awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo
}

# inflate MIB: asks for a guest of this size and waits until QEMU knows that it is.
inflate() {
    qmp balloon value=$(($1 * 1024 * 1024))
    wait_for "test \$(qmp query-balloon | tr -dc 0-9) = $(($1 * 1024 * 1024))"
}

in_guest() {
    before=$(total)
    test "$(qmp query-balloon)" = '{"actual":268435456}'
    inflate 192
    echo "MemTotal: $before MiB, then $(total) MiB"
    test "$(total)" = $((before - 64))
    qmp_wait BALLOON_CHANGE actual=$((192 * 1024 * 1024))
    inflate 256
    test "$(total)" = "$before"
}
