#!/bin/sh
# Reboots after every boot, as announced, and never ends.
#: reboots = 1

in_guest() {
    leave reboot
}
