#!/bin/sh
# A QEMU with faults, which `-name` selects. Without one, runs the binary $FAULTY_QEMU.

fault=
for arg; do
    case $arg in
        fault-*) fault=${arg#fault-} ;;
    esac
done

case $fault in
    exits) exit 0 ;;
    refuses) exit 3 ;;
    asserts)
        echo "qemu: ../hw/fault.c:7: realize: Assertion \`dev->ok' failed." >&2
        echo later >&2
        kill -ABRT $$
        ;;
    sanitizer)
        echo "SUMMARY: AddressSanitizer: heap-use-after-free ../hw/fault.c:7 in realize" >&2
        exit 1
        ;;
    complains)
        # In lines of 4 KB, so that the limit on bytes is reached.
        yes "$(head -c 4000 /dev/zero | tr '\000' '!')" >&2 &
        ;;
    dies-late)
        "$FAULTY_QEMU" "$@"
        kill -SEGV $$
        ;;
    mute)
        for arg; do
            shift
            case $arg in
                -S) continue ;;
                socket,id=kiln-qmp,*) arg=null,id=kiln-qmp ;;
            esac
            set -- "$@" "$arg"
        done
        ;;
    raves)
        for arg; do
            case $arg in
                socket,id=kiln-control,fd=*) fd=${arg##*=} ;;
            esac
        done
        {
            printf '@kiln - 1 end 00000000 0 0\n'
            printf '@kiln \377\376 1 \200 00000000 0 0\n'
            printf '@kiln - 1 hello '
            head -c 104857600 /dev/zero | tr '\000' 'A'
            printf '\n'
        } | bash -c "exec cat >&$fd"
        exit 0
        ;;
esac

case " $* " in
    *" -accel kvm "*)
        test -z "$FAULTY_KVM" || exec sleep 1000
        ;;
esac
exec "$FAULTY_QEMU" "$@"
