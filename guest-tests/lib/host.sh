#!/bin/sh
# What runs on the host for a test with an `in_host` half: its words, then that half.
# Usage: sh host.sh SCRIPT, from the runner, which sets KILN, KILN_SOCKET, QEMU_TEST and SCRATCH.

# qemu [QEMU ARGUMENT]…: boots the image, runs `in_guest` in it and gives back its exit status.
qemu() {
    "$KILN" host-word qemu "$@"
}

# expect_fail qemu [QEMU ARGUMENT]…: holds if QEMU refuses to start; prints what it said.
expect_fail() {
    "$KILN" host-word expect_fail "$@"
}

# wait_ready [-g GUEST]: until that guest runs `in_guest`; for one that migrates, until it has come.
wait_ready() {
    "$KILN" host-word wait_ready "$@"
}

# qmp [-g GUEST] COMMAND [key=value]…, qmp [-g GUEST] - <<JSON: asks QEMU's monitor, and prints what
# it returns as a line of JSON. GUEST is a number in the order of start, or what `-name` says.
qmp() {
    "$KILN" host-word qmp "$@"
}

# qmp_wait [-g GUEST] EVENT [key=value]… [--timeout SECONDS]: until QEMU sends this event with these
# data, or has sent it before; prints it. Each event is given out once.
qmp_wait() {
    "$KILN" host-word qmp_wait "$@"
}

# hmp [-g GUEST] COMMAND LINE: asks the human monitor and prints its text.
hmp() {
    "$KILN" host-word hmp "$@"
}

# plug [-g GUEST] DRIVER [key=value]…: adds a device to a running guest, a PCI device in a free hotplug
# slot (header `slots`), and prints its id. The guest takes it in by `plugged ID`.
plug() {
    _plugged=$("$KILN" host-word plug "$@") || return
    echo "${_plugged% *}"
}

# unplug [-g GUEST] ID: asks for it back and waits until it is gone; the guest helps by `release ID`.
unplug() {
    "$KILN" host-word unplug "$@" --wait
}

# post NAME [TEXT], await NAME [SECONDS]: one half says that it has come to a point, the other waits for
# that, and prints the text.
post() {
    "$KILN" host-word post "$@"
}

await() {
    "$KILN" host-word await "$@"
}

# choose NAME WORD…: one of the words, by the run's seed; printed, and listed in the report.
choose() {
    "$KILN" host-word choose "$@"
}

named_choose() {
    choose "$@"
}

# serve DIRECTORY: serves it by HTTP for as long as the test runs; prints the URL as guests reach it.
serve() {
    "$KILN" host-word serve "$@"
}

# skip REASON, fail REASON: as in the guest.
skip() {
    "$KILN" host-word skip "$*"
    exit 77
}

fail() {
    "$KILN" host-word fail "$*"
    exit 1
}

# wait_for CONDITION [SECONDS]: until the condition holds; fails when it does not in time.
wait_for() {
    _left=$((${2:-${KILN_WAIT:-10}} * 20))
    until eval "$1" > /dev/null 2>&1; do
        test "$_left" -gt 0 || fail "waited in vain for: $1"
        _left=$((_left - 1))
        sleep 0.05
    done
}

# pattern DIGIT: half a mebibyte that is at no two places the same, another for each digit from 1 to 9.
pattern() {
    seq "${1}00000" "${1}99999" | head -c 524288
}

# put_pattern DIGIT FILE MIB: writes it there, at so many mebibytes.
put_pattern() {
    pattern "$1" | dd of="$2" bs=64k seek=$(($3 * 16)) iflag=fullblock conv=fsync,notrunc status=none
}

# has_pattern DIGIT FILE MIB: whether that is what is there.
has_pattern() {
    pattern "$1" > "$SCRATCH/pattern"
    dd if="$2" bs=64k skip=$(($3 * 16)) count=8 status=none | cmp - "$SCRATCH/pattern"
}

set -e
# shellcheck source=/dev/null
. "$1"
test -n "$KILN_CALLS_ITSELF" || in_host
