#!/bin/sh
# NVMe admin commands: the controller identifies itself, and a namespace is detached and attached again.
#: requires.devices = ["nvme", "nvme-subsys", "nvme-ns"]

in_host() {
    truncate -s 4M "$SCRATCH/disk"
    qemu -device nvme-subsys,id=subsystem -device nvme,serial=kiln,id=controller,subsys=subsystem,max_ioqpairs=3 \
        -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device nvme-ns,drive=d0,bus=controller,nsid=1,shared=on
}

in_guest() {
    wait_for "test -e /dev/nvme0n1"
    # Identify controller: bytes 4 to 23 are the serial number.
    nvme_admin /dev/nvme0 6 cdw10=1 read=4096 > /tmp/identity
    test "$(wc -c < /tmp/identity)" = 4096
    test "$(tail -c +5 /tmp/identity | head -c 20 | tr -d ' ')" = kiln
    controller=$(tail -c +79 /tmp/identity | hexdump -n 2 -e '2/1 "%u "')
    controller=$((${controller%% *} + 256 * $(echo "${controller#* }" | tr -d ' ')))

    # Get features: the numbers of submission and completion queues; 0 stands for one.
    test "$(nvme_admin /dev/nvme0 10 cdw10=7)" = 0x20002
    # Invalid field: the controller's own status.
    if nvme_admin /dev/nvme0 6 cdw10=0xfe read=4096 2> /tmp/error; then fail "the command succeeded"; fi
    grep "NVMe status 0x" /tmp/error

    nvme detach-ns /dev/nvme0 -n 1 -c "$controller"
    wait_for "test ! -e /dev/nvme0n1"
    nvme attach-ns /dev/nvme0 -n 1 -c "$controller"
    wait_for "test -e /dev/nvme0n1"
}
