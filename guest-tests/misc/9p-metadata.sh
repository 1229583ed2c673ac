#!/bin/sh
# Times to the nanosecond, modes, sizes and link counts of files, and the free space, are those of the host, in both directions.
#: groups = ["virtio"]
#: requires.devices = ["virtio-9p-pci"]
#: requires.tools = ["stat", "touch"]

in_host() {
    mkdir "$SCRATCH/share"
    cd "$SCRATCH/share"
    echo content > file
    ln file link
    mkdir -p directory/inner
    chmod 640 file
    touch -d '2021-02-03 04:05:06.123456789 UTC' file
    TZ=UTC stat -c '%a %h %s %y' file directory > expected
    free_space > free
    qemu -fsdev local,id=share,path="$SCRATCH/share",security_model=none -device virtio-9p-pci,fsdev=share,mount_tag=share
    test "$(stat -c %a file)" = 604
    test "$(stat -c %Y touched)" = 981173106
    test "$(stat -c %h made)" = 2
}

in_guest() {
    mount -t 9p -o trans=virtio,version=9p2000.L,cache=none share /mnt
    cd /mnt
    TZ=UTC stat -c '%a %h %s %y' file directory > /tmp/found
    # Some tools print the time zone as well.
    sed 's/ +0000$//' expected > /tmp/expected
    sed -i 's/ +0000$//' /tmp/found
    cmp /tmp/found /tmp/expected || fail "expected $(cat /tmp/expected), found $(cat /tmp/found)"
    # Other programs use the host's disk as well.
    expected=$(cat free)
    found=$(free_space)
    if test "$found" -lt $((expected * 3 / 4)) || test "$found" -gt $((expected * 5 / 4)); then
        fail "expected about $expected MiB of free space, found $found MiB"
    fi
    chmod 604 file
    test "$(stat -c %a file)" = 604
    TZ=UTC touch -d '2001-02-03 04:05:06' touched
    ln touched made
    cd /
    umount /mnt
}

# The free space of the file system of the current directory, in MiB.
free_space() {
    stat -f -c '%f %s' . | awk '{ print int($1 * $2 / 1048576) }'
}
