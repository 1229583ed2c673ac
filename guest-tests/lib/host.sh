#!/bin/sh
# What runs on the host for a test with an `in_host` half: its words, then that half.
# The runner reads it with the script's path as $1, and sets KILN, KILN_SOCKET, QEMU_TEST and SCRATCH.

# qemu [QEMU ARGUMENT]…: boots the image, runs `in_guest` in it and gives back its exit status.
qemu() {
    "$KILN" host-helper qemu "$@"
}

# expect_fail qemu [QEMU ARGUMENT]…: holds if QEMU refuses to start; prints what it said.
expect_fail() {
    "$KILN" host-helper expect_fail "$@"
}

# wait_ready [-g GUEST]: until that guest runs `in_guest`; for one that migrates, until it has come.
wait_ready() {
    "$KILN" host-helper wait_ready "$@"
}

# qmp [-g GUEST] COMMAND [key=value]…, qmp [-g GUEST] - <<JSON: asks QEMU's monitor, and prints what
# it returns as a line of JSON. GUEST is a number in the order of start, or what `-name` says.
qmp() {
    "$KILN" host-helper qmp "$@"
}

# qmp_wait [-g GUEST] EVENT [key=value]… [--timeout SECONDS]: until QEMU sends this event with these
# data, or has sent it before; prints it. Each event is given out once.
qmp_wait() {
    "$KILN" host-helper qmp_wait "$@"
}

# hmp [-g GUEST] COMMAND LINE: asks the human monitor and prints its text.
hmp() {
    "$KILN" host-helper hmp "$@"
}

# plug [-g GUEST] DRIVER [key=value]…: adds a device to a running guest, a PCI device in a free hotplug
# slot (header `slots`), and prints its id. The guest takes it in by `plugged ID`.
plug() {
    _plugged=$("$KILN" host-helper plug "$@") || return
    echo "${_plugged% *}"
}

# unplug [-g GUEST] ID: asks for it back and waits until it is gone; the guest helps by `release ID`.
unplug() {
    "$KILN" host-helper unplug "$@" --wait
}

# post NAME [TEXT], await NAME [SECONDS]: one half says that it has come to a point, the other waits for
# that, and prints the text.
post() {
    "$KILN" host-helper post "$@"
}

await() {
    "$KILN" host-helper await "$@"
}

# choose NAME WORD…: one of the words, by the run's seed; printed, and listed in the report.
choose() {
    "$KILN" host-helper choose "$@"
}

# named_choose NAME WORD…: the same. In a script that was written for qemu-test, `choose WORD…` has no name.
named_choose() {
    "$KILN" host-helper named_choose "$@"
}

# console_write [-g GUEST] < TEXT: types the text on the guest's console.
console_write() {
    "$KILN" host-helper console_write "$@" -
}

# chardev_write SOCKET < TEXT: writes to a Unix socket of a chardev. The connection stays open until the test
# ends, and what QEMU sends back is in SOCKET.log.
chardev_write() {
    "$KILN" host-helper chardev_write "$@" -
}

# The next three are qemu-test's. start_qemu [QEMU ARGUMENT]…: as `qemu`, in the background; $pid is the process
# to wait for or to kill, $tmplog the file with what the guest prints.
start_qemu() {
    # shellcheck disable=SC2154  # from the runner
    : > "$tmplog"
    "$KILN" host-helper qemu "$@" &
    pid=$!
}

# qemu_is_okay: whether it still runs. A shell may not have noticed yet that its child has ended.
qemu_is_okay() {
    kill -0 "$pid" 2> /dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$pid/status"
}

# get_qemu_status: waits for its end, and returns the status of `in_guest`.
get_qemu_status() {
    wait "$pid"
}

# serve DIRECTORY: serves it by HTTP for as long as the test runs; prints the URL as guests reach it.
serve() {
    "$KILN" host-helper serve "$@"
}

# machine_versions FAMILY OPTIONS [QEMU ARGUMENT]…: boots FAMILY-7.2 to FAMILY-10.0 with these machine options and the same
# devices in each, and prints what differs from one to the next in what the guests say by `tell_version`.
machine_versions() {
    _family=$1 _options=$2 _before=
    shift 2
    for _version in 7.2 8.0 8.1 8.2 9.0 9.1 9.2 10.0; do
        qemu -machine "$_family-$_version$_options" "$@" -append "version=$_version" -audiodev none,id=a0 \
            -netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,addr=3 -device virtio-balloon-pci,addr=4 \
            -device virtio-scsi-pci,addr=5 -device e1000e,addr=6 -device nvme,serial=kiln,addr=7 -device qemu-xhci,addr=8 \
            -device VGA,addr=9 -device intel-hda,addr=a
        await "version-$_version" > "$SCRATCH/$_version"
        test -s "$SCRATCH/$_version"
        test -z "$_before" || {
            echo "from $_before to $_version:"
            diff "$SCRATCH/$_before" "$SCRATCH/$_version" | grep '^[<>]' || true
        }
        _before=$_version
    done
}

# timers_migrate: skips the test where a guest that goes on in another QEMU waits for its timer for ever. QEMU 10.0 does not set a
# riscv64 processor's timer again; whatever else interrupts the guest wakes it.
timers_migrate() {
    test "$KILN_ARCH" != riscv64 || skip "QEMU loses the timer of a riscv64 guest that migrates"
}

# skip REASON, fail REASON: as in the guest.
skip() {
    "$KILN" host-helper skip "$*"
    exit 77
}

fail() {
    "$KILN" host-helper fail "$*"
    exit 1
}

# wait_for CONDITION [SECONDS]: until the condition holds; fails when it does not in time, which stands still while the
# test waits for a processor.
wait_for() {
    _end='' _turns=0
    until eval "$1" > /dev/null 2>&1; do
        # About once a second, because it takes longer than most conditions.
        if test "$_turns" = 0; then
            _now=$("$KILN" host-helper test_seconds)
            : "${_end:=$((_now + ${2:-${KILN_WAIT:-10}}))}"
            test "$_now" -le "$_end" || fail "waited in vain for: $1"
        fi
        _turns=$(((_turns + 1) % 20))
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

# _at LINE [WORD]…: keeps where the script is. The runner puts a call before each statement of a test; it changes no status.
_at() {
    _status=$?
    _place=$*
    return $_status
}

# A script that ends early says where.
_ended() {
    case $1 in
        0 | 77) return ;;
    esac
    test -z "$_place" || "$KILN" host-helper failed_at "$_place" || true
}

_place=
trap '_ended $?' EXIT
# An unset variable is an error, so that `$SCRTCH/disk` never names the host's root directory.
set -eu
# shellcheck source=/dev/null
. "$1"
test -n "$KILN_CALLS_ITSELF" || in_host
