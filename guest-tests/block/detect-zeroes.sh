#!/bin/sh
# With detect-zeroes=unmap, zeros that the guest writes free their place in the image and read as zeros.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]
#: choices.format = ["raw", "qcow2"]

in_host() {
    format=$(choose format)
    cd "$SCRATCH"
    qemu-img create -q -f "$format" base 16M
    qemu -blockdev "driver=$format,node-name=disk,discard=unmap,detect-zeroes=unmap,file.driver=file,file.filename=base,file.discard=unmap" \
        -device virtio-blk-pci,drive=disk
    qemu-img map --output=json base > layout
    grep '"start": 4194304, "length": 524288, .* "zero": false' layout
    grep '"start": 4718592, "length": [0-9]*, .* "zero": true, "data": false' layout
}

in_guest() {
    put_pattern 1 /dev/vda 4
    pattern 2 | dd of=/dev/vda bs=512k seek=9 iflag=fullblock conv=fsync
    dd if=/dev/zero of=/dev/vda bs=512k seek=9 count=1 conv=fsync
    has_pattern 1 /dev/vda 4
    test "$(dd if=/dev/vda bs=512k skip=9 count=1 | tr -d '\0' | wc -c)" = 0
}
