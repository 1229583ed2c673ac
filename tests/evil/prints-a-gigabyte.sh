#!/bin/sh
# Prints a gigabyte, then passes, if it may.

in_host() {
    yes "a line of the flood" | head -c 1073741824
}
