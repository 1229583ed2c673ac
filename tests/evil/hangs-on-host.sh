#!/bin/sh
# The host half never ends.
#: timeout = "250ms"

in_host() {
    echo waiting
    sleep 3600
}
