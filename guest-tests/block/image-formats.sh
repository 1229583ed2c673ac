#!/bin/sh
# An image of any format that QEMU writes gives back what was written, to the guest and to qemu-img.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]
#: choices.format = ["raw", "qcow2", "qcow2-v2", "qcow2-extended-l2", "qcow2-data-file", "qed", "vdi", "vmdk", "vpc", "vhdx"]

in_host() {
    format=$(choose format)
    driver=${format%%-*}
    options=''
    case $format in
        qcow2-v2) options=compat=0.10 ;;
        qcow2-extended-l2) options=extended_l2=on,cluster_size=128k ;;
        qcow2-data-file) options=data_file=data,data_file_raw=on ;;
        vpc) options=subformat=dynamic,force_size=on ;;
    esac
    cd "$SCRATCH"
    qemu-img create -q -f "$driver" ${options:+-o "$options"} image 16M
    qemu -blockdev driver="$driver",node-name=disk,file.driver=file,file.filename=image \
        -device virtio-blk-pci,drive=disk
    case $format in
        qcow2* | qed | vdi | vmdk | vhdx) qemu-img check -f "$driver" image ;;
    esac
    qemu-img convert -f "$driver" -O raw image raw
    test "$(stat -c %s raw)" = 16777216
    has_pattern 1 raw 0
    has_pattern 3 raw 6
    has_pattern 4 raw 15
}

in_guest() {
    test "$(blockdev --getsize64 /dev/vda)" = 16777216
    put_pattern 1 /dev/vda 0
    put_pattern 2 /dev/vda 6
    put_pattern 3 /dev/vda 6
    put_pattern 4 /dev/vda 15
    has_pattern 1 /dev/vda 0
    has_pattern 3 /dev/vda 6
    has_pattern 4 /dev/vda 15
    # Unwritten sectors read as zero.
    test "$(dd if=/dev/vda bs=1M skip=9 count=4 | tr -d '\0' | wc -c)" = 0
}
