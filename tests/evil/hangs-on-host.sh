#!/bin/sh
# The host half never ends.
#: timeout = "1s"

in_host() {
    echo waiting
    sleep 3600
}
