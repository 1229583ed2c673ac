#!/bin/sh
# Never ends.
#: timeout = "2s"

in_guest() {
    sleep 3600
}
