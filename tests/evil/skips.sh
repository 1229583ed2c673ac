#!/bin/sh
# Cannot say anything here.

in_guest() {
    skip "there is no moon tonight"
}
