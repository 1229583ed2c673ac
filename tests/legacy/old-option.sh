#!/bin/sh
# A test with an option that QEMU has removed without a replacement is skipped with its name.
# shellcheck disable=SC2006,SC2086,SC2154

in_host() {
    qemu -nographic -soundhw ac97
}

in_guest() {
    :
}

if test $QEMU_TEST; then
    in_host
else
    in_guest
fi
