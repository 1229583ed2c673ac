#!/bin/sh
# What the host script writes to a chardev's socket arrives in the guest, and the answer is in a file.
#: requires.devices = ["virtio-serial-pci"]

in_host() {
    qemu -chardev socket,id=c0,path="$SCRATCH/channel",server=on,wait=off -device virtio-serial-pci,id=serial \
        -device virtserialport,bus=serial.0,chardev=c0,name=org.example.channel &
    await ready
    echo question | chardev_write "$SCRATCH/channel"
    await answered
    echo another | chardev_write "$SCRATCH/channel"
    wait_for "grep -x 'answer to another' '$SCRATCH/channel.log'"
    test "$(wc -l < "$SCRATCH/channel.log")" = 2
    wait "$!"
}

in_guest() {
    port=$(grep -lx org.example.channel /sys/class/virtio-ports/*/name)
    port=${port%/name}
    exec 3<> "/dev/${port##*/}"
    post ready
    # A port without a peer is at its end.
    line=
    wait_for "read -r line <&3"
    test "$line" = question
    echo "answer to $line" >&3
    post answered
    wait_for "read -r line <&3"
    echo "answer to $line" >&3
}
