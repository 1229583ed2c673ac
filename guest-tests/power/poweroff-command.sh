#!/bin/sh
# `poweroff` without `-f` asks process 1, which powers the machine off.
#: ends = "poweroff"

in_guest() {
    announce poweroff
    poweroff
    sleep 60
}
