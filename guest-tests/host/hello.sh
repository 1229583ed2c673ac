#!/bin/sh
# A C program that the host compiles runs in the guest.
#: host.programs = ["hello.c"]

in_guest() {
    hello
}
