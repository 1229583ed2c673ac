#!/bin/sh
# A test with a machine that QEMU has removed is skipped with its name.
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
