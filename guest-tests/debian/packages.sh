#!/bin/sh
# dpkg has exactly the packages of the lock, in their versions, and their files. A program of a package that the test adds works.
#: arch = ["aarch64", "x86_64"]
#: debian.packages = ["jq"]

in_host() {
    lock=$(dirname "$KILN_TEST")/../../images/$KILN_ARCH/debian.lock
    sed -n '/^name = /N; s/^name = "\(.*\)"\nversion = "\(.*\)"$/\1 \2/p' "$lock" > locked
    test -s locked
    truncate -s 64K locked
    qemu -drive if=none,id=d,file=locked,format=raw,readonly=on -device virtio-blk-pci,drive=d,serial=locked
}

in_guest() {
    wait_for 'test -b /dev/disk/by-id/virtio-locked'
    tr -d '\0' < /dev/disk/by-id/virtio-locked | sort > /tmp/locked
    dpkg-query --show --showformat='${Package} ${Version}\n' | sort > /tmp/installed
    diff /tmp/locked /tmp/installed || fail 'expected the packages of the lock (<), found others (>)'

    test "$(dpkg-query --show --showformat='${Status}\n' | sort -u)" = 'install ok unpacked'
    test "$(dpkg-query --search /usr/bin/jq)" = 'jq: /usr/bin/jq'
    dpkg-query --listfiles systemd | while read -r file; do
        case $file in
            */copyright | /usr/lib/*) test -e "$file" || test -L "$file" || fail "expected $file of systemd" ;;
        esac
    done
    test "$(echo '{"machines": [{"name": "q35"}, {"name": "virt"}]}' | jq --raw-output '.machines[1].name')" = virt
}
