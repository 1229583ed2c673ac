#!/bin/sh
# Prints for as long as it may.
#: timeout = "250ms"

in_guest() {
    yes "a line of the flood"
}
