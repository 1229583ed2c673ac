#!/bin/sh
# A memory module plugged into a running guest adds its memory, and taken out again takes it away.
#: arch = ["x86_64", "ppc64", "ppc64le"]
#: requires.devices = ["pc-dimm"]
#: requires.kernel = ["MEMORY_HOTPLUG"]

in_host() {
    case $KILN_ARCH in
        x86_64) qemu -m 256M,slots=2,maxmem=2G -machine "$(choose machine pc q35)" ;;
        *) qemu -m 256M,slots=2,maxmem=2G ;;
    esac
}

total() {
    awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo
}

in_guest() {
    # Memory that cannot be moved could not be given back.
    echo online_movable > /sys/devices/system/memory/auto_online_blocks
    before=$(total)
    for round in 1 2; do
        qmp object-add qom-type=memory-backend-ram id="mem$round" size=$((256 * 1024 * 1024))
        qmp device_add driver=pc-dimm id="dimm$round" memdev="mem$round"
        wait_for "test \$(awk '/^MemTotal/ { print int(\$2 / 1024) }' /proc/meminfo) -ge $((before + 240))"
        echo "$before MiB, then $(total) MiB"
        qmp query-memory-size-summary | grep -q '"plugged-memory":268435456'
        qmp device_del id="dimm$round"
        wait_for "test \$(qmp query-memory-devices) = '[]'"
        test "$(total)" -le $((before + 8))
        qmp object-del id="mem$round"
    done
}
