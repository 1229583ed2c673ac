#!/bin/sh
# QEMU never answers its monitor.
#: timeout = "1s"

in_host() {
    qemu -name fault-mute
}

in_guest() {
    qmp query-status
}
