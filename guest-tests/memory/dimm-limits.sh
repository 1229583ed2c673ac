#!/bin/sh
# Memory modules beyond the slots or beyond maxmem are refused with the reason, and the guest keeps what it has.
#: arch = ["x86_64", "ppc64", "ppc64le"]
#: requires.devices = ["pc-dimm"]
#: requires.kernel = ["MEMORY_HOTPLUG"]

in_host() {
    qemu -m 256M,slots=1,maxmem=1G
}

# refused TEXT ID: a module of this id is refused with this text.
refused() {
    ! qmp device_add driver=pc-dimm id="$2" memdev="$2" 2> /tmp/refusal || fail "$2 is not refused"
    cat /tmp/refusal
    grep -q "$1" /tmp/refusal
}

in_guest() {
    for size in 256 1024; do
        qmp object-add qom-type=memory-backend-ram id="mem$size" size=$((size * 1024 * 1024))
    done
    qmp object-add qom-type=memory-backend-ram id=last size=$((256 * 1024 * 1024))
    refused "not enough space" mem1024
    before=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    echo online > /sys/devices/system/memory/auto_online_blocks
    qmp device_add driver=pc-dimm id=mem256 memdev=mem256
    wait_for "awk '/^MemTotal/ { exit !(\$2 / 1024 > $before + 200) }' /proc/meminfo"
    refused "no free slots available\|reached" last
    qmp query-memory-size-summary | grep -q '"plugged-memory":268435456'
    qmp query-memory-devices | grep -o '"id":"[a-z0-9]*"' | grep -qx '"id":"mem256"'
}
