#!/bin/sh
# Commands that the host script and the guest script share. The library of each defines `_call`, which runs a helper
# command of the runner.

# skip REASON: ends the test as skipped.
skip() {
    _call skip "$*"
    exit 77
}

# fail REASON: ends the test as failed; the reason is the cause in the report.
fail() {
    _expected=
    _call fail "$*"
    exit 1
}

# _explain TEXT: the cause of the failure if the script ends in this statement.
_explain() {
    _expected=$* _explained=$_place
}

# qmp [-g GUEST] COMMAND [key=value]…, qmp [-g GUEST] - <<JSON: runs a QMP command and prints its result as one line of
# JSON. GUEST is a number in the order of start, or the name given with `-name`. Without it, a guest script means its own QEMU.
qmp() {
    _call qmp "$@"
}

# qmp_wait [-g GUEST] EVENT [key=value]… [--timeout SECONDS]: waits until QEMU has sent this event with these values, and
# prints it. Each event is returned once.
qmp_wait() {
    _call qmp_wait "$@" || ! _explain "expected the event $*, found none"
}

# hmp [-g GUEST] COMMAND LINE: runs a command of the human monitor and prints its text.
hmp() {
    _call hmp "$@"
}

# post NAME [TEXT]: signals a synchronisation point. await NAME [SECONDS]: waits for one and prints its text.
post() {
    _call post "$@"
}

await() {
    _call await "$@"
}

# choose NAME VALUE…: prints one of the values, chosen by the seed of the run and listed in the report.
choose() {
    _call choose "$@"
}

# named_choose NAME VALUE…: the same. In a script that was written for qemu-test, `choose VALUE…` has no name.
named_choose() {
    _call named_choose "$@"
}

# _compared CONDITION: the values of the `test` for which the condition does not hold, or else the last line of its output.
_compared() (
    _words=
    # shellcheck disable=SC2317  # called by the condition
    test() {
        command test "$@" && _words='' && return
        _words="test $*"
        return 1
    }
    _status=0
    eval "$1" > "$_files/condition" 2>&1 || _status=$?
    command test $_status != 0 || exit 0
    _line=$(tail -n 1 "$_files/condition")
    if command test -n "$_words"; then
        echo ", expanded to: $_words"
    else
        echo ", found: ${_line:-exit status $_status}"
    fi
)

# pattern DIGIT: prints 512 KiB without repetition; each digit from 1 to 9 has its own.
pattern() {
    seq "${1}00000" "${1}99999" | head -c 524288
}

# put_pattern DIGIT FILE MIB: writes the pattern at this offset, and flushes it to the disk.
put_pattern() {
    pattern "$1" | dd of="$2" bs=64k seek=$(($3 * 16)) iflag=fullblock conv=fsync,notrunc status=none 2> "$_files/error" ||
        ! _explain "expected pattern $1 to be written to $2 at $3 MiB, found: $(cat "$_files/error")"
}

_expected='' _explained=''
# The directory for files of these commands.
_files=/tmp

# _report: reports where a script ended early, and what its last command expected.
_report() {
    test -n "$_place" || return 0
    _call failed_at "$_place" || _call failed_at "${_place%% *}" || true
    test -z "$_expected" || test "$_explained" != "$_place" || _call fail "$_expected" || true
}

# _at LINE [WORD]…: records the line that runs. The runner puts a call before each statement of a test; it keeps the status.
_at() {
    _status=$?
    # shellcheck disable=SC2034  # for _ended
    _place=$*
    return $_status
}

# _with LINE COMMAND [WORD]…: runs the command, and records the line and the words. The runner puts it before each `test`.
_with() {
    _place=$*
    shift
    "$@"
}
