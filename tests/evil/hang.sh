#!/bin/sh
# Never ends.
#: timeout = "500ms"

in_guest() {
    echo waiting
    sleep 3600
}
