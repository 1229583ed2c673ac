#!/bin/sh
# Every port of a serial card carries bytes both ways, and not into another port.
# With an AIA a riscv64 guest finds its own serial port last, and takes the card for its console.
#: machine.riscv64 = "virt-plic"
#: machine.riscv32 = "virt-plic"
#: choices.card = { devices = ["pci-serial", "pci-serial-2x", "pci-serial-4x"] }

in_host() {
    card=$(choose card)
    case $card in
        pci-serial) set -- "" ;;
        pci-serial-2x) set -- 1 2 ;;
        *) set -- 1 2 3 4 ;;
    esac
    ports=$#
    ids=
    chardevs=
    for port; do
        mkfifo "$SCRATCH/port$port.in" "$SCRATCH/port$port.out"
        sed -u "s/^/port $port: /" < "$SCRATCH/port$port.out" > "$SCRATCH/port$port.in" &
        chardevs="$chardevs -chardev pipe,id=port$port,path=$SCRATCH/port$port"
        ids="$ids,chardev$port=port$port"
    done
    # shellcheck disable=SC2086
    qemu -append "ports=$ports 8250.nr_uarts=8" $chardevs -device "$card$ids"
}

in_guest() {
    ports=$(kernel_parameter ports)
    device=$(cd /sys/bus/pci/drivers/serial/0* && pwd -P)
    wait_for "test \$(ttys | wc -l) = $ports"
    number=1
    test "$ports" != 1 || number=
    for tty in $(ttys); do
        stty -F "/dev/$tty" raw -echo
        exec 3<> "/dev/$tty"
        echo "through $tty" >&3
        read -r answer <&3
        test "$answer" = "port $number: through $tty"
        number=$((number + 1))
    done
}

# The card's ports.
ttys() {
    find "$device" -path '*/tty/ttyS*' -prune | sed 's/.*\///' | sort
}
