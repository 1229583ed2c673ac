#!/bin/sh
# A fork bomb: no process can be started any more.
#: timeout = "3s"
#: memory = "512M"

in_guest() {
    echo 500 > /proc/sys/kernel/threads-max
    bomb() {
        bomb &
        bomb &
        sleep 3600
    }
    bomb
}
