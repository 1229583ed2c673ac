#!/bin/sh
# The processor gives up: a triple fault resets the machine.
#: arch = ["x86_64"]
#: append = "reboot=t"

in_guest() {
    reboot -f
    sleep 60
}
