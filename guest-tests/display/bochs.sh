#!/bin/sh
# A mode set through the registers of a Bochs display has its size, and pixels in its memory are those on the screen.
#: choices.display = { devices = ["VGA", "secondary-vga", "bochs-display", "virtio-vga"] }

in_host() {
    display=$(choose display)
    qemu -append "shot=$SCRATCH/shot.ppm" -device "$display,id=screen"
    # A PPM: `P6`, width and height, 255, then red, green and blue of each pixel.
    test "$(head -n 3 "$SCRATCH/shot.ppm" | tr '\n' ' ')" = "P6 320 200 255 "
    tail -c $((320 * 200 * 3)) "$SCRATCH/shot.ppm" > "$SCRATCH/pixels"
    pixel 0 0 "ff 00 00"
    pixel 319 0 "00 ff 00"
    pixel 0 199 "00 00 ff"
    pixel 319 199 "12 34 56"
    pixel 160 100 "00 00 00"
}

pixel() {
    seen=$(od -An -v -tx1 -j $((3 * (320 * $2 + $1))) -N 3 "$SCRATCH/pixels" | sed 's/^ *//')
    test "$seen" = "$3" || fail "at $1,$2 there is $seen, not $3"
}

in_guest() {
    for device in /sys/bus/pci/devices/*; do
        case $(cat "$device/vendor" "$device/device" | tr '\n' :) in
            0x1234:0x1111:) screen=$device region=0 ;;
            0x1af4:0x1050:) screen=$device region=0 ;;
        esac
    done
    memory=$(pci_bar "$screen" "$region")
    controls=$(pci_bar "$screen" 2)
    # What VGA has at ports from 0x3c0 on is here, too: without a BIOS its screen is blank until bit 5 of the attribute index
    # is set. Reading 0x3da makes the next write go to that index. A display without VGA passes over both.
    peek $((controls + 0x41a)) 8
    poke $((controls + 0x400)) 8 0x20
    registers=$((controls + 0x500))
    test "$(peek "$registers" 16)" = 0xb0c5
    # Off, 320 by 200, 32 bits a pixel, on with a linear frame buffer; off clears the memory.
    for pair in 4:0 1:320 2:200 3:32 4:0x41; do
        poke $((registers + 2 * ${pair%:*})) 16 "${pair#*:}"
    done
    test "$(peek $((registers + 2)) 16)" = 0x140
    # Pixels are little-endian from here on.
    poke $((registers + 0x104)) 32 0x1e1e1e1e
    poke "$memory" 32 0xff0000
    poke $((memory + 4 * 319)) 32 0x00ff00
    poke $((memory + 4 * 199 * 320)) 32 0x0000ff
    poke $((memory + 4 * (200 * 320 - 1))) 32 0x123456
    shot=$(kernel_parameter shot)
    qmp screendump filename="$shot" device=screen
}
