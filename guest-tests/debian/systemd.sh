#!/bin/sh
# systemd is process 1 and has reached its target, and no unit has failed.
#: arch = ["aarch64", "x86_64"]
#: debian.packages = []

in_guest() {
    test "$(cat /proc/1/comm)" = systemd
    state=$(systemctl is-system-running --wait) || systemctl --no-pager --failed
    test "$state" = running
    systemctl is-active --quiet multi-user.target kiln.service systemd-journald.service systemd-udevd.service
    test "$(systemctl get-default)" = kiln.target
}
