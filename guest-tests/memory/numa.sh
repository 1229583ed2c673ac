#!/bin/sh
# The guest sees the nodes that QEMU was given: their memory, their processors, their distances.
#: requires.kernel = ["NUMA"]

in_host() {
    qemu -m 768M -smp 4,sockets=4 \
        -object memory-backend-ram,id=m0,size=256M -object memory-backend-ram,id=m1,size=512M \
        -numa node,nodeid=0,cpus=0-2,memdev=m0 -numa node,nodeid=1,cpus=3,memdev=m1 \
        -numa dist,src=0,dst=1,val=40
}

in_guest() {
    cd /sys/devices/system/node
    test "$(cat online)" = 0-1
    test "$(cat node0/cpulist)" = 0-2
    test "$(cat node1/cpulist)" = 3
    test "$(cat node0/distance)" = "10 40"
    test "$(cat node1/distance)" = "40 10"
    for node in 0 1; do
        size=$(awk '/MemTotal/ { print int($4 / 1024) }' "node$node/meminfo")
        echo "node $node: $size MiB"
        # Less what the kernel keeps for itself.
        test "$size" -le $((256 * (node + 1)))
        test "$size" -gt $((256 * node + 128))
    done
}
