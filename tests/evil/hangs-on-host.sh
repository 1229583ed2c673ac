#!/bin/sh
# The host script never ends.
#: timeout = "250ms"

in_host() {
    echo waiting
    sleep 3600
}
