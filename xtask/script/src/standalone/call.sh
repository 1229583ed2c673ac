#!/bin/sh
# /bin/kiln-call in a guest that has no runner: what was chosen is written down, skips, failures and
# announced ends go to the console, and there is nobody to ask for anything else.

say() {
    printf '\n@kiln %s\n' "$*" > /dev/console
    # What is set is not the point: stty waits until all is sent, and the guest may end at once.
    stty -echo < /dev/console
}

word=$1
shift
case $word in
    skip | fail) say "$word" "$*" ;;
    leave) say leaving "$1" ;;
    test_seconds) sed 's/\..*//' /proc/uptime ;;
    choose | named_choose)
        while IFS='=' read -r name chosen; do
            test "$name" = "$1" || continue
            printf '%s\n' "$chosen"
            exit 0
        done < /kiln/choices
        echo "choose: nothing was chosen for \`$1\` when the test was exported" >&2
        exit 2
        ;;
    *)
        echo "$word: only Kiln can do this, not an exported script" >&2
        exit 2
        ;;
esac
