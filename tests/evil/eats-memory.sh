#!/bin/sh
# Uses all memory until the kernel kills it.

in_guest() {
    tail -n 1 /dev/zero
}
