#!/bin/sh
# What runs in the guest: the words a test may use there, then the test itself (/kiln/test).

# wait_for CONDITION [SECONDS]: until the condition holds; fails when it does not in time.
wait_for() {
    read -r _up _ < /proc/uptime
    _end=$((${_up%.*} + ${2:-${KILN_WAIT:-10}}))
    until eval "$1" > /dev/null 2>&1; do
        read -r _up _ < /proc/uptime
        test "${_up%.*}" -le "$_end" || fail "waited in vain for: $1"
        usleep 20000
    done
}

# skip REASON: this test cannot say anything here.
skip() {
    kiln-call skip "$*"
    exit 77
}

# fail REASON: the reason becomes the cause in the report.
fail() {
    kiln-call fail "$*"
    exit 1
}

# qmp COMMAND [key=value]…, qmp - <<JSON: asks QEMU's monitor, and prints what it returns as a line
# of JSON. Here and below, `-g GUEST` in front names another QEMU of the test.
qmp() {
    kiln-call qmp "$@"
}

# qmp_wait EVENT [key=value]… [--timeout SECONDS]: until QEMU sends this event with these data, or has
# sent it before; prints it. Each event is given out once.
qmp_wait() {
    kiln-call qmp_wait "$@"
}

# hmp COMMAND LINE: asks the human monitor and prints its text.
hmp() {
    kiln-call hmp "$@"
}

# choose NAME WORD…: one of the words, by the run's seed; printed, and listed in the report.
choose() {
    kiln-call choose "$@"
}

named_choose() {
    choose "$@"
}

# leave poweroff|reboot|panic: announces that the guest ends so, and that this is right.
leave() {
    kiln-call leave "$1"
    case $1 in
        poweroff) poweroff -f ;;
        reboot) reboot -f ;;
        panic) echo c > /proc/sysrq-trigger ;;
        *) fail "leave: \`$1\` is none of poweroff, reboot, panic" ;;
    esac
    sleep 3600
}

# A host half alone is a test too: then booting is all that is asked of the guest.
in_guest() {
    :
}

set -e
# A test written for qemu-test ends with its own `if test $QEMU_TEST`, and so calls its half itself.
# shellcheck source=/dev/null
. /kiln/test
test -n "$KILN_CALLS_ITSELF" || in_guest
