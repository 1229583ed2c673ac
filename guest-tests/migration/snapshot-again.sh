#!/bin/sh
# A guest is put back to a snapshot in the middle of its test, three times, and passes by a shorter way than before.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]
#: timeout = "60s"

in_host() {
    timers_migrate
    qemu-img create -q -f qcow2 "$SCRATCH/disk" 64M
    qemu -drive if=none,id=d0,file="$SCRATCH/disk",format=qcow2 -device virtio-blk-pci,drive=d0 &
    wait_ready
    await begun
    hmp savevm then
    # Each time the guest prints at least so much that its records get ahead of those at the snapshot.
    for round in 1 2 3; do
        await "ahead$round" 30
        hmp loadvm then
        post "back$round"
    done
    wait
}

# The host script's points are what survives a snapshot: by them the guest knows how often it was put back.
in_guest() {
    post begun
    for round in 1 2 3; do
        await "back$round" 0 > /dev/null 2>&1 && continue
        n=0
        while test $n -lt 20; do
            echo "round $round, line $n"
            n=$((n + 1))
        done
        post "ahead$round"
        sleep 60
    done
    echo end
}
