#!/bin/sh
# The kernel prints a warning only to its log while the test runs, and the test would pass.

in_guest() {
    echo 512 > /proc/sys/kernel/tainted
}
