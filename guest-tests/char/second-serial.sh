#!/bin/sh
# A second serial line, in addition to the console, carries bytes both ways.
#: arch = ["x86_64", "ppc64", "ppc64le"]
#: choices.line.x86_64 = { devices = ["isa-serial"] }
#: choices.line.ppc64 = { devices = ["spapr-vty"] }
#: choices.line.ppc64le = { devices = ["spapr-vty"] }

in_host() {
    line=$(choose line)
    mkfifo "$SCRATCH/line.in" "$SCRATCH/line.out"
    sed -u 's/^/host: /' < "$SCRATCH/line.out" > "$SCRATCH/line.in" &
    test "$line" != isa-serial || line=isa-serial,index=1
    qemu -append 8250.nr_uarts=2 -chardev pipe,id=line,path="$SCRATCH/line" -device "$line,chardev=line"
}

in_guest() {
    case $KILN_ARCH in
        x86_64) tty=/dev/ttyS1 ;;
        *) tty=/dev/hvc1 ;;
    esac
    wait_for "test -c $tty"
    # Open first: a hypervisor console that is not open forgets its settings.
    exec 3<> "$tty"
    stty -F "$tty" raw -echo
    before=$(interrupts)
    for word in hello 'three words now'; do
        echo "$word" >&3
        answer=
        # shellcheck disable=SC3045  # the shell of the image has this option
        read -r -t 15 answer <&3 || true
        test "$answer" = "host: $word"
    done
    # Linux also polls the line, so that it would receive without interrupts too, but late.
    found=$(($(interrupts) - before))
    test "$found" -gt 0 || fail "expected interrupts of the line, found $found"
}

# The number of interrupts of the serial lines.
interrupts() {
    awk '/hvc_console|ttyS1/ { for (column = 2; $column ~ /^[0-9]+$/; column++) sum += $column } END { print sum + 0 }' /proc/interrupts
}
