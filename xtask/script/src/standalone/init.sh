#!/bin/sh
# The first process of a guest that has no runner: sets up what a test expects, runs it, says how it
# ended, and ends the guest. In place of images/common/init.c, in the initramfs of an exported test.

export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=vt100
while read -r type target options; do
    mkdir -p "$target"
    mount -t "$type" -o "$options" "$type" "$target"
done 2> /dev/null <<'END'
proc /proc rw
sysfs /sys rw
devtmpfs /dev mode=0755
devpts /dev/pts mode=0620,ptmxmode=0666
tmpfs /dev/shm mode=1777
tmpfs /tmp mode=1777
tmpfs /run mode=0755
debugfs /sys/kernel/debug rw
END
ln -s /proc/self/fd /dev/fd
test -e /dev/ptmx || ln -s pts/ptmx /dev/ptmx
hostname kiln
ifconfig lo up

set -a
# shellcheck source=/dev/null
. /kiln/environment
set +a
setsid sh /kiln/run < /dev/null 2>&1
status=$?
read -r taint < /proc/sys/kernel/tainted
printf '\n@kiln end %s %s\n' "$status" "$taint"
# Closing a serial line waits until all of it is sent.
exec < /dev/null > /dev/null 2>&1
# Every machine can reset, and QEMU ends with it; not every machine can switch itself off.
reboot -f
