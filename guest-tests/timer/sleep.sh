#!/bin/sh
# The guest's clock is not faster than the host's: a sleep of two seconds takes at least as long on the host.
#: start = "cold"

in_host() {
    qemu &
    await ready
    read -r before _ < /proc/uptime
    post go
    await slept
    read -r after _ < /proc/uptime
    wait
    took=$(($(hundredths "$after") - $(hundredths "$before")))
    test "$took" -ge 199
}

in_guest() {
    post ready
    await go
    sleep 2
    post slept
}

# hundredths SECONDS: a time such as 12.34 without its point.
hundredths() {
    echo "$1" | tr -d .
}
