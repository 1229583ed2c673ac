# Runs a script of ktest in the guest, and reads from its lines what its authors' runner reads from the console.
in_guest() {
    mkdir -p /mnt /root /ktest-out /var/log
    export HOME=/root USER=root ktest_out=/ktest-out PATH="/cdrom:$PATH"
    rm -f /tmp/ktest-*
    {
        if (cd /root && eval "$RUN"); then
            echo '@ktest-exit 0'
        else
            echo "@ktest-exit $?"
        fi
    } 2>&1 | watch_lines
    finish "$(cat /tmp/ktest-exit 2> /dev/null || echo unknown)"
}

# note NAME TEXT: keeps the first line of a kind.
note() {
    test -e "/tmp/ktest-$1" || printf '%s\n' "$2" > "/tmp/ktest-$1"
}

noted() {
    test -e "/tmp/ktest-$1"
}

watch_lines() {
    grace=''
    # shellcheck disable=SC2086  # no option while there is no limit
    while IFS= read -r $grace line; do
        case $line in
            '@ktest-exit '*) echo "${line#* }" > /tmp/ktest-exit ;;
            *) printf '%s\n' "$line" ;;
        esac
        case $line in
            'QEMU_MONITOR '*) kiln-call hmp "${line#* }" || : ;;
            'TEST SUCCESS')
                note success "$line"
                # The script may be one that never ends by itself.
                grace='-t 2'
                ;;
            'TEST FAILED'*) note failed "$line" ;;
            'SKIPPING: '*) note skip "${line#*: }" ;;
            *': command not found') note missing "${line##*/}" ;;
            'FAILED: '*) note cause "${line#*: }" ;;
            'Error '*' from: '*', exiting') note cause "${line%, exiting}" ;;
        esac
    done
    # Whatever still runs keeps the pipe open.
    test -z "$grace" || killall -q -9 bash || :
}

# finish STATUS: the verdict, from the status of the script and its lines.
finish() {
    cause="exit status $1"
    for kind in cause missing failed; do
        if noted "$kind"; then
            cause=$(cat "/tmp/ktest-$kind")
        fi
    done
    if test "$FORM" = new; then
        if noted skip && test "$1" = 0; then
            skip "$(cat /tmp/ktest-skip)"
        fi
        test "$1" = 0 || fail "$cause"
    elif noted success; then
        noted failed && fail "the script printed \`$cause\` and \`TEST SUCCESS\`"
        return 0
    else
        fail "the script did not print \`TEST SUCCESS\`: $cause"
    fi
}
