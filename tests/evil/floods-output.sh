#!/bin/sh
# Prints for as long as it may.
#: timeout = "2s"

in_guest() {
    yes "a line of the flood"
}
