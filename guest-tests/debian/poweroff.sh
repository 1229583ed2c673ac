#!/bin/sh
# systemd powers the machine off.
#: arch = ["aarch64", "x86_64"]
#: debian.packages = []
#: ends = "poweroff"

in_guest() {
    announce poweroff
    systemctl poweroff
    sleep 600
}
