#!/bin/sh
# A guest that resets the machine without -no-reboot's leave ends QEMU with a guest reset.
#: ends = "reboot"

in_guest() {
    leave reboot
}
