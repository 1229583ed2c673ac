#!/bin/sh
# A virtio-serial port carries bytes both ways: the host half echoes what the guest half says.
#: requires.devices = ["virtio-serial-pci", "virtserialport"]

in_host() {
    mkfifo "$SCRATCH/echo.in" "$SCRATCH/echo.out"
    cat < "$SCRATCH/echo.out" > "$SCRATCH/echo.in" &
    qemu -chardev pipe,id=echo,path="$SCRATCH/echo" -device virtio-serial-pci,id=serial1 \
        -device virtserialport,bus=serial1.0,chardev=echo,name=org.kiln.echo
}

in_guest() {
    wait_for "grep -l org.kiln.echo /sys/class/virtio-ports/*/name"
    name=$(grep -l org.kiln.echo /sys/class/virtio-ports/*/name)
    port=$(basename "$(dirname "$name")")
    exec 3<> "/dev/$port"
    for word in hello big-endian 'three words now'; do
        echo "$word" >&3
        read -r answer <&3
        test "$answer" = "$word"
    done
}
