#!/bin/sh
# An image that is converted through any format has the same content.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

in_host() {
    "$QEMU_IMG" create -q -f raw source.raw 6M
    "$QEMU_IO" -f raw -c 'write -q -P 0x5a 0 64k' -c 'write -q -P 0xa5 3M 4k' -c 'write -q -P 1 6291000 456' source.raw
    format=$(choose format qcow2 qed vdi vmdk vpc vhdx parallels)
    "$QEMU_IMG" create -q -f "$format" probe 1M || skip "this qemu-img does not write $format"
    "$QEMU_IMG" convert -f raw -O "$format" source.raw "image.$format"
    "$QEMU_IMG" info -f "$format" "image.$format" | grep -q "^file format: $format$"
    "$QEMU_IMG" convert -f "$format" -O raw "image.$format" back.raw
    # Some formats round the size of the disk up to a cylinder.
    test "$(stat -c %s back.raw)" -ge "$(stat -c %s source.raw)"
    cmp -n "$(stat -c %s source.raw)" source.raw back.raw
    "$QEMU_IMG" compare -q -f raw -F "$format" source.raw "image.$format"
    # And a byte that differs is found.
    "$QEMU_IO" -f raw -c 'write -q -P 0xff 3M 1' source.raw
    status=0
    "$QEMU_IMG" compare -f raw -F "$format" source.raw "image.$format" > compared || status=$?
    test "$status" = 1
    grep -q 'Content mismatch at offset 3145728' compared
}
