#!/bin/sh
# The kernel warned while the test ran, out of sight, and the test means to pass.

in_guest() {
    echo 512 > /proc/sys/kernel/tainted
}
