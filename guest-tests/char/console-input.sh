#!/bin/sh
# A guest script whose standard input is the console reads what the host script types.
#: stdin = "console"

in_host() {
    qemu &
    await ready
    printf 'first line\nsecond\n' | console_write
    wait "$!"
}

in_guest() {
    test -t 0
    post ready
    expect 'first line'
    expect second
}

# expect TEXT: waits for this line.
expect() {
    line=
    # shellcheck disable=SC3045  # the shell of the image has this option
    read -r -t 15 line || true
    test "$line" = "$1"
}
