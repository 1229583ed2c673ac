#!/bin/sh
# Offers a shell to each user of `cargo xtask shell`, one after the other, over the control channel. guest.sh starts it in
# the background, as /kiln/shell.

# Prints for user $1 until the shell exits or the user leaves.
_print() {
    while dd bs=4096 count=1 2> /dev/null | kiln-call shell_output "$1" -; do
        :
    done
}

# Types for the shell, whose process is $2, until user $1 leaves.
_type() {
    while kiln-call shell_keys "$1"; do
        :
    done
    kill "$2"
}

# _serve USER COLUMNS ROWS: runs a shell on a terminal of this size.
_serve() {
    mkfifo /run/kiln-keys /run/kiln-screen
    # It stays open between two calls that write to it.
    exec 8<> /run/kiln-keys
    script -q -c "stty cols $2 rows $3; exec sh -i" /dev/null < /run/kiln-keys > /run/kiln-screen 8<&- &
    _shell=$!
    _type "$1" "$_shell" >&8 &
    _typist=$!
    _print "$1" < /run/kiln-screen
    kiln-call shell_end "$1"
    kill "$_typist" "$_shell"
    exec 8<&-
    rm /run/kiln-keys /run/kiln-screen
}

while :; do
    # The call fails if the guest migrates while it waits.
    if _user=$(kiln-call shell_user); then
        # shellcheck disable=SC2086  # three words
        _serve $_user
    else
        sleep 1
    fi
done
