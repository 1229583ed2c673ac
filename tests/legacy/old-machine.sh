#!/bin/sh
# A machine that QEMU has removed is a skip that names it.
# shellcheck disable=SC2006,SC2086,SC2154

in_host() {
    qemu -nographic -M pc-0.12
    rc=$?
    return $rc
}

in_guest() {
    :
}

if test $QEMU_TEST; then
    in_host
else
    in_guest
fi
