#!/bin/sh
# The guest sees the sockets, cores and threads that QEMU was given, and which processor is on which.
# Not on riscv64, where QEMU tells a guest of nodes and processors only.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]

in_host() {
    case $KILN_MACHINE in
        # TCG's pseries has one thread a core.
        pseries) qemu -smp 4,sockets=2,cores=2,threads=1 ;;
        *) qemu -smp 8,sockets=2,cores=2,threads=2 ;;
    esac
}

# distinct FILE: how many different values the processors have in this file of their topology.
distinct() {
    cat /sys/devices/system/cpu/cpu[0-9]*/topology/"$1" | sort -u | wc -l
}

in_guest() {
    threads=2
    test "$KILN_MACHINE" != pseries || threads=1
    cpus=$((4 * threads))
    test "$(cat /sys/devices/system/cpu/online)" = "0-$((cpus - 1))"
    echo "$(distinct physical_package_id) sockets," \
        "$(distinct core_cpus_list) cores, $(distinct package_cpus_list) packages"
    test "$(distinct core_cpus_list)" = 4
    test "$(distinct package_cpus_list)" = 2
    cd /sys/devices/system/cpu/cpu$((cpus - 1))/topology
    test "$(cat package_cpus_list)" = "$((cpus / 2))-$((cpus - 1))"
    if test "$threads" = 2; then
        test "$(cat thread_siblings_list)" = "$((cpus - 2))-$((cpus - 1))"
    fi
}
