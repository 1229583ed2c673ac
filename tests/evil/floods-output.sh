#!/bin/sh
# Prints without end.
#: timeout = "250ms"

in_guest() {
    yes "a line of the flood"
}
