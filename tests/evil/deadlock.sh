#!/bin/sh
# Both scripts wait for a point that only the other one posts.

in_host() {
    qemu &
    await here
    await moved 10
    post written
    wait
}

in_guest() {
    post here
    await written 100
    post moved
}
