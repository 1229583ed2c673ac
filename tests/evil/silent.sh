#!/bin/sh
# A condition fails in the guest and prints nothing.

in_guest() {
    echo something else
    test 1 = 1
    x=5
    test "$x" = 6
    echo never
}
