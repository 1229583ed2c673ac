# Runs a script of ktest in the guest, and reads from its lines what its authors' runner reads from the console.
in_guest() {
    mkdir -p /mnt /root /ktest-out /var/log
    export HOME=/root USER=root ktest_out=/ktest-out PATH="/cdrom:$PATH"
    rm -f /tmp/ktest-*
    {
        status=0
        (cd /root && eval "$RUN") || status=$?
        echo "$status" > /tmp/ktest-exit
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
    limit=''
    line=''
    option=''
    # shellcheck disable=SC2086,SC2229  # no option while there is no limit
    while IFS= read -r $option line; do
        watch_line
        line=''
        test -z "$limit" || remaining || break
    done
    # The last line may have no end.
    test -z "$line" || watch_line
    # Whatever still runs keeps the pipe open.
    test -z "$limit" || killall -q -9 bash || :
}

watch_line() {
    printf '%s\n' "$line"
    case $line in
        'QEMU_MONITOR '*) kiln-call hmp "${line#* }" || : ;;
        'WATCHDOG '*) kiln-call time_limit "${line#* }" || : ;;
        # A trace of the shell, which shows commands that may print the lines below.
        '+'*) ;;
        *'TEST SUCCESS'*)
            note success "$line"
            # A script of the first form may never end by itself.
            if test "$FORM" = first && test -z "$limit"; then
                limit=$(($(uptime_seconds) + 2))
            fi
            ;;
        'TEST FAILED'*) note failed "$line" ;;
        *'TEST FAILED'*) test "$FORM" != first || note failed "$line" ;;
        'SKIPPING: '*) note skip "${line#*: }" ;;
        *': command not found') note missing "${line##*/}" ;;
        'FAILED: '*) note cause "${line#*: }" ;;
        'Error '*' from: '*', exiting') note cause "${line%, exiting}" ;;
    esac
}

uptime_seconds() {
    cut -d . -f 1 /proc/uptime
}

# remaining: sets the option of read to the time before the limit; false if that is over.
remaining() {
    seconds=$((limit - $(uptime_seconds)))
    option="-t $seconds"
    test "$seconds" -gt 0
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
