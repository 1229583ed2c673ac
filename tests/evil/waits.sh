#!/bin/sh
# A condition never holds.

in_guest() {
    wait_for "test \$(cat /sys/class/net/lo/ifindex) = 2" 1
}
