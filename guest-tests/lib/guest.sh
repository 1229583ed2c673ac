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

# qmp COMMAND [key=value]…: asks QEMU's monitor and prints its reply as JSON.
qmp() {
    kiln-call qmp "$@"
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

# pattern DIGIT: half a mebibyte that is at no two places the same, another for each digit from 1 to 9.
pattern() {
    seq "${1}00000" "${1}99999" | head -c 524288
}

# put_pattern DIGIT FILE MIB: writes it there, at so many mebibytes, as far as the disk's own memory.
put_pattern() {
    pattern "$1" | dd of="$2" bs=64k seek=$(($3 * 16)) iflag=fullblock conv=fsync,notrunc status=none
}

# has_pattern DIGIT FILE MIB: whether that is what is there, on the disk and not only in the guest's memory.
has_pattern() {
    pattern "$1" > /tmp/pattern
    echo 3 > /proc/sys/vm/drop_caches
    dd if="$2" bs=64k skip=$(($3 * 16)) count=8 status=none | cmp - /tmp/pattern
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
