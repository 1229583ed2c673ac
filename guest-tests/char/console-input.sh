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
    read -r one
    test "$one" = "first line"
    read -r two
    test "$two" = second
}
