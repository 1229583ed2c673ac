#!/bin/sh
# A fork bomb: no further process can be started.
#: timeout = "750ms"
#: memory = "512M"

in_guest() {
    echo 500 > /proc/sys/kernel/threads-max
    bomb() {
        for _ in 1 2; do
            bomb &
        done
        sleep 3600
    }
    bomb
}
