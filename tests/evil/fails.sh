#!/bin/sh
# Says no, with a reason.

in_guest() {
    fail "two and two are five"
}
