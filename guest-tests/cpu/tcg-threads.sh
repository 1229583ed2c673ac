#!/bin/sh
# TCG runs all processors in one thread of the host or each in its own, as it was asked, and all of them run.
#: requires.accel = "tcg"
#: smp = 4

in_host() {
    qemu -accel "tcg,thread=$(choose thread single multi)"
}

in_guest() {
    thread=$(choose thread single multi)
    for cpu in 0 1 2 3; do
        taskset -c "$cpu" sha256sum /bin/busybox &
    done
    wait
    # The thread-id in a processor's `props` is the guest's; the other one is the host's.
    threads=$(qmp query-cpus-fast | sed 's/"props":{[^}]*}//g' | grep -o '"thread-id":[0-9]*')
    echo "$threads"
    threads=$(echo "$threads" | sort -u | wc -l)
    case $thread in
        single) test "$threads" = 1 ;;
        multi) test "$threads" = 4 ;;
    esac
}
