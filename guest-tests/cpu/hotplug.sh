#!/bin/sh
# A processor plugged into a running guest runs code, and taken out again it is gone; then another one comes in.
# The TCG of QEMU 7.2 crashes when an x86 processor is taken out.
#: arch = ["x86_64", "ppc64", "ppc64le"]
#: requires.qemu = "10.0"

in_host() {
    case $KILN_ARCH in
        x86_64)
            # Linux takes a processor that is not there yet only from a hypervisor that it knows, and TCG is none:
            # so the machine passes for one of VMware's, which is known by its port and its serial number.
            qemu -smp 1,maxcpus=3,sockets=3 -machine "$(choose machine pc q35),i8042=on,vmport=on" \
                -cpu qemu64,-hypervisor -smbios type=1,serial=VMware-kiln
            ;;
        *) qemu -smp 1,maxcpus=3,cores=3 ;;
    esac
}

# free: what QEMU would take as the next processor, as arguments of device_add.
free() {
    # One object a line; those that are taken have a path.
    qmp query-hotpluggable-cpus | sed 's/},{/}\n{/g' | grep -v qom-path | tail -n 1 |
        sed 's/.*"props":{\([^}]*\)},"type":"\([^"]*\)".*/driver=\2,\1/; s/"//g; s/:/=/g; s/,/ /g'
}

in_guest() {
    online=/sys/devices/system/cpu/cpu1/online
    for round in 1 2; do
        # shellcheck disable=SC2046 # arguments
        qmp device_add id="cpu$round" $(free)
        # A pseries brings it online itself, a PC leaves that to us.
        wait_for "test -e $online"
        wait_for "test \$(cat $online) = 1 || echo 1 > $online"
        test "$(taskset -c 1 sh -c 'cut -d" " -f39 /proc/self/stat')" = 1
        test "$(qmp query-cpus-fast | grep -o '"cpu-index"' | wc -l)" = 2
        qmp device_del id="cpu$round"
        # Not DEVICE_DELETED: TCG never frees an x86 processor's object.
        wait_for "test \$(qmp query-cpus-fast | grep -o '\"cpu-index\"' | wc -l) = 1"
        test "$(cat /sys/devices/system/cpu/online)" = 0
        wait_for "test \$(cat /sys/devices/system/cpu/present) = 0"
    done
}
