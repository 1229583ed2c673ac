#!/bin/sh
# A script of qemu-test's starts QEMU in the background, reads its log, and plugs a disk or a second card.
# shellcheck disable=SC2006,SC2086,SC2154

marker="** waiting for the device **"

in_host() {
    image=$tmpdir/plugged.img
    kind=`choose disk card`
    extra=`choose "-device virtio-rng-pci" none`
    test "$extra" != none || extra=

    truncate -s 4M $image
    start_qemu -nographic -enable-kvm $extra
    while qemu_is_okay && ! grep "$marker" $tmplog >/dev/null; do
	sleep 1
    done
    if test $kind = disk; then
	out=`hmp drive_add auto file=$image,format=raw,if=none,id=d0`
	test "`echo "$out" | tr -d '\r'`" = OK
	qmp device_add --driver=virtio-blk-pci --drive=d0 --id=plugged
    else
	hmp netdev_add user,id=second
	qmp device_add --driver=virtio-net-pci --netdev=second --id=plugged
    fi
    while qemu_is_okay; do
	sleep 1
    done
    get_qemu_status
    rc=$?
    rm $image
    return $rc
}

in_guest() {
    echo "$marker"
    while ! grep vda /proc/partitions >/dev/null && ! ifconfig eth1 >/dev/null 2>&1; do
	sleep 1
    done
    ifconfig eth0 >/dev/null
}

if test $QEMU_TEST; then
    in_host
else
    in_guest
fi
