#!/bin/sh
# An image alone states what it contains, under which licences, and where its source is.
#: start = "cold"

# A part and its version, with a licence and a source file below it.
part() {
    sed -n "/^$1 $2: /,/^\$/p" /NOTICE > part
    grep -q '^    licence: [A-Z]' part
    grep -q '^    source:  ' part
}

in_guest() {
    part Linux "$(uname -r)"
    part BusyBox "$(busybox | sed -n '1s/^BusyBox v\([0-9.]*\) .*/\1/p')"
    part musl '[0-9.]*'
    part libgcc '[0-9.]*'
    part init '[0-9.]*'
    # Archives by digest, because any server may have them.
    test "$(grep -c '^    sha256:  [0-9a-f]\{64\}$' /NOTICE)" = 4
    grep -q '<image>-source.tar' /NOTICE
    grep -q 'LICENSES/' /NOTICE
}
