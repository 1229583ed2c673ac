#!/bin/sh
# Reboots each time it comes up, as announced, and never ends.
#: reboots = 1

in_guest() {
    leave reboot
}
