#!/bin/sh
# Both scripts wait for each other until the time limit of the test.
#: timeout = "1s"

in_host() {
    qemu &
    await here
    await moved 100
    post written
    wait
}

in_guest() {
    post here
    await written 100
    post moved
}
