#!/bin/sh
# The host gets the fingerprint of a guest through a disk.
# shellcheck disable=SC2006,SC2086,SC2154

in_host() {
    image=$tmpdir/disk.img
    qemu-img create -f raw $image 4M
    qemu -nographic -hda $image -net none
    test "$QEMU_TEST_GEN_FINGERPRINT" = yes || (cd $tmpdir && tar xf $image && grep bios_vendor fingerprint.txt && rm fingerprint.txt)
    rc=$?
    rm $image
    return $rc
}

in_guest() {
    fingerprint > fingerprint.txt
    grep 8086:1237 fingerprint.txt
    tar cf /dev/sda fingerprint.txt
}

if test $QEMU_TEST; then
    in_host
else
    in_guest
fi
