#!/bin/sh
# Fills its output with escape sequences and workflow commands, then passes.

in_guest() {
    printf '\033]0;owned\007\033[31m::error::owned\n'
    i=0
    while test $i -lt 500; do
        echo "line $i ::set-output name=x::y"
        i=$((i + 1))
    done
}
