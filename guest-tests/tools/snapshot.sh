#!/bin/sh
# An internal snapshot of a qcow2 image restores its content, and deleting it frees its clusters.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

in_host() {
    "$QEMU_IMG" create -q -f qcow2 disk.qcow2 4M
    "$QEMU_IO" -f qcow2 -c 'write -q -P 1 0 1M' disk.qcow2
    "$QEMU_IMG" snapshot -c before disk.qcow2
    "$QEMU_IO" -f qcow2 -c 'write -q -P 2 512k 1M' disk.qcow2
    "$QEMU_IMG" snapshot -l disk.qcow2 | grep -qw before
    "$QEMU_IMG" convert -l before -f qcow2 -O raw disk.qcow2 before.raw
    "$QEMU_IO" -f raw -c 'read -q -P 1 0 1M' -c 'read -q -P 0 1M 3M' before.raw
    "$QEMU_IMG" snapshot -a before disk.qcow2
    "$QEMU_IMG" compare -q -f qcow2 -F raw disk.qcow2 before.raw
    "$QEMU_IMG" snapshot -d before disk.qcow2
    ! "$QEMU_IMG" snapshot -l disk.qcow2 | grep -qw before || fail "a deleted snapshot is listed"
    ! "$QEMU_IMG" snapshot -a before disk.qcow2 2> /dev/null || fail "a deleted snapshot is restored"
    "$QEMU_IMG" check -q -f qcow2 disk.qcow2
}
