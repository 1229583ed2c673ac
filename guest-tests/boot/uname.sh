#!/bin/sh
# The kernel and its programs have the architecture, word size and byte order that the machine promises.

in_guest() {
    uname -a
    test "$(uname -m)" = "$KILN_UNAME"
    # Bytes 4 and 5 of an ELF file: 1 is 32 bits, 2 is 64; 1 is little-endian, 2 is big.
    class=$(dd if=/proc/self/exe bs=1 skip=4 count=2 2> /dev/null | hexdump -e '2/1 "%d"')
    case $(printf '\1\0' | hexdump -e '1/2 "%d"') in
        1) endian=little class=${class%1} ;;
        256) endian=big class=${class%2} ;;
    esac
    test "$endian" = "$KILN_ENDIAN"
    test $((class * 32)) = "$KILN_BITS"
}
