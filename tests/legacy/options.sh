#!/bin/sh
# Options that QEMU has removed are translated: the disk has its serial number, and the machine no HPET.
# shellcheck disable=SC2006,SC2086,SC2154

in_host() {
    image=$tmpdir/disk-$$.img
    truncate -s 4M $image
    qemu -nographic -enable-kvm -nodefconfig -no-hpet -localtime -no-reboot \
	-drive file=$image,if=none,id=d0,format=raw,snapshot=on,serial=first \
	-device virtio-blk-pci,bus=pci.0,addr=0x4,drive=d0 \
	-drive file=$image,if=virtio,format=raw,snapshot=on,serial=second \
	-chardev socket,path=$tmpdir/channel,id=c0,server,nowait \
	-device virtio-serial -device virtserialport,chardev=c0,name=org.example.channel \
	-nodefaults -serial stdio
    rc=$?
    rm -f $image
    return $rc
}

in_guest() {
    # The disk without an address is in the lower slot.
    test "`cat /sys/block/vda/serial` `cat /sys/block/vdb/serial`" = "second first"
    ! test -e /sys/firmware/acpi/tables/HPET
    ! ifconfig eth0 2>/dev/null
}

if test $QEMU_TEST; then
    in_host
else
    in_guest
fi
