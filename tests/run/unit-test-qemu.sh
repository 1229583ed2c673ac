#!/bin/bash
# A QEMU for tests of kvm-unit-tests. The kernel's text is the behaviour of its guest: a line of bash with
# `say TEXT` for the console and `qmp TEXT` for QMP. With an ELF file or without a kernel, runs the real QEMU, $REAL_QEMU.

kernel=
console=
qmp=
for arg; do
    case $last in
        -kernel) kernel=$arg ;;
        -initrd) initrd=$arg ;;
        -append) append=$arg ;;
        -smp) smp=$arg ;;
    esac
    case $arg in
        socket,id=kiln-console,fd=*) console=${arg##*=} ;;
        stdio) console=1 ;;
        socket,id=kiln-qmp,fd=*) qmp=${arg##*=} ;;
        -wrong-option)
            echo "qemu: -wrong-option: invalid option" >&2
            exit 1
            ;;
    esac
    last=$arg
done
# Used by the text of the kernel.
export initrd append smp

if [ -n "$kernel" ] && [ ! -f "$kernel" ]; then
    echo "qemu: could not open kernel file '$kernel': No such file or directory" >&2
    exit 1
fi
if [ -z "$kernel" ] || head -c 4 "$kernel" | grep -q ELF; then
    exec "$REAL_QEMU" "$@"
fi

say() {
    printf '%s\r\n' "$1" >&"$console"
}

qmp() {
    printf '%s\n' "$1" >&"$qmp"
}

# shellcheck disable=SC1090 # the text of a test
. "$kernel"
