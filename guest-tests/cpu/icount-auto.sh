#!/bin/sh
# A guest whose instructions are counted computes the same as any other, and its clocks only go forward.
#: requires.accel = "tcg"
#: smp = 2

in_host() {
    qemu -icount "shift=$(choose shift auto 0 7)"
}

in_guest() {
    sum=$(dd if=/dev/zero bs=64k count=64 2> /dev/null | sha256sum)
    test "${sum%% *}" = bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8
    last=0
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        read -r up _ < /proc/uptime
        now=$(echo "$up" | tr -d .)
        test "$now" -ge "$last"
        last=$now
    done
}
