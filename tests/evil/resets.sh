#!/bin/sh
# A triple fault of the processor resets the machine.
#: arch = ["x86_64"]
#: append = "reboot=t"

in_guest() {
    reboot -f
    sleep 60
}
