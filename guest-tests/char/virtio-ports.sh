#!/bin/sh
# Ports of one virtio-serial device are distinguished by name and number, and a virtio console is a terminal.
#: requires.devices = ["virtserialport", "virtconsole"]
#: choices.bus = { devices = ["virtio-serial-pci", "virtio-serial-pci-transitional", "virtio-serial-pci-non-transitional"] }

in_host() {
    bus=$(choose bus)
    for port in a b console; do
        mkfifo "$SCRATCH/$port.in" "$SCRATCH/$port.out"
        sed -u "s/^/$port: /" < "$SCRATCH/$port.out" > "$SCRATCH/$port.in" &
    done
    qemu -device "$bus,id=ports,max_ports=5" -chardev pipe,id=a,path="$SCRATCH/a" \
        -chardev pipe,id=b,path="$SCRATCH/b" -chardev pipe,id=c,path="$SCRATCH/console" \
        -device virtserialport,bus=ports.0,nr=1,chardev=a,name=org.kiln.a \
        -device virtserialport,bus=ports.0,nr=4,chardev=b,name=org.kiln.b \
        -device virtconsole,bus=ports.0,nr=2,chardev=c
}

in_guest() {
    for port in a:1 b:4; do
        wait_for "grep -lx org.kiln.${port%:*} /sys/class/virtio-ports/*/name"
        name=$(grep -lx "org.kiln.${port%:*}" /sys/class/virtio-ports/*/name)
        device=$(basename "$(dirname "$name")")
        test "${device##*p}" = "${port#*:}"
        talk "/dev/$device" "${port%:*}"
    done
    # hvc0 is the machine's own where there is one.
    wait_for "ls /sys/class/virtio-ports/*p2"
    for console in /dev/hvc7 /dev/hvc1 /dev/hvc0; do
        if { stty -F "$console" raw -echo; } 2> /dev/null; then
            talk "$console" console
            return
        fi
    done
    fail "expected a virtio console, found none"
}

# What is said to a port comes back with the port's name in front.
talk() {
    exec 3<> "$1"
    echo "through $1" >&3
    read -r answer <&3
    test "$answer" = "$2: through $1"
    exec 3>&-
}
