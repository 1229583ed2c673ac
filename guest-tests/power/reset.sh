#!/bin/sh
# The guest resets the machine, and QEMU, which may not start it again, ends with a guest reset.
#: ends = "reboot"

in_guest() {
    leave reboot
}
