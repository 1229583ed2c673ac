#!/bin/sh
# A misspelt variable ends the host script instead of naming a file in the host's root directory.
# shellcheck disable=SC2006,SC2086,SC2154

in_host() {
    touch "$tmp_dir/file-of-a-test"
    qemu -nographic
}

in_guest() {
    :
}

if test $QEMU_TEST; then
    in_host
else
    in_guest
fi
