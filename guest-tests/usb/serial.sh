#!/bin/sh
# A USB serial adapter carries bytes both ways.
#: requires.devices = ["qemu-xhci", "usb-serial"]

in_host() {
    mkfifo "$SCRATCH/echo.in" "$SCRATCH/echo.out"
    cat < "$SCRATCH/echo.out" > "$SCRATCH/echo.in" &
    qemu -chardev pipe,id=echo,path="$SCRATCH/echo" -device qemu-xhci -device usb-serial,chardev=echo
}

in_guest() {
    # The node comes before the port can be opened.
    wait_for "stty -F /dev/ttyUSB0 raw -echo"
    exec 3<> /dev/ttyUSB0
    for word in hello big-endian 'three words now'; do
        echo "$word" >&3
        read -r answer <&3
        test "$answer" = "$word"
    done
}
