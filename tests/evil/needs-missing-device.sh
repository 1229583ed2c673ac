#!/bin/sh
# Needs a device that only an old QEMU has.
#: requires.devices = ["lm8323"]

in_guest() {
    true
}
