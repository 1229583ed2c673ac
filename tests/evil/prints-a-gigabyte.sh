#!/bin/sh
# Prints a gigabyte, then would pass.

in_host() {
    yes "a line of the flood" | head -c 1073741824
}
