#!/bin/sh
# Powers off without an announcement.

in_guest() {
    poweroff -f
    sleep 60
}
