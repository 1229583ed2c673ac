#!/bin/sh
# A guest in the background has the status of its script, and a killed guest does not pass.
# shellcheck disable=SC2006,SC2086,SC2154

in_host() {
    how=`named_choose how fails killed`
    start_qemu -nographic -append how=$how
    if test $how = killed; then
	while ! grep started $tmplog >/dev/null 2>&1; do sleep 1; done
	kill $pid
    fi
    if get_qemu_status; then
	return 0
    fi
    return 3
}

in_guest() {
    echo started
    test "$(grep -c how=killed /proc/cmdline)" = 0 || sleep 1000
    return 5
}

if test $QEMU_TEST; then
    in_host
else
    in_guest
fi
