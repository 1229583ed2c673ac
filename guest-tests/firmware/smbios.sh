#!/bin/sh
# The strings that QEMU was given for the SMBIOS tables are in the tables that the guest finds.
#: arch = ["x86_64"]
#: start = "cold"

in_host() {
    qemu -machine "$(choose machine pc q35)" -uuid 00112233-4455-6677-8899-aabbccddeeff \
        -smbios type=0,vendor=kiln-vendor,version=kiln-1.0 \
        -smbios type=1,manufacturer=kiln-maker,serial=kiln-4711 \
        -smbios type=11,value=kiln-oem-string
}

# structure TYPE: the first structure of this type in hexadecimal digits: a line of fields, a line of strings.
structure() {
    xxd -p /sys/firmware/dmi/tables/DMI | tr -d '\n' | awk -v type="$1" '
        function digit(at) { return index("0123456789abcdef", substr($0, at, 1)) - 1 }
        function byte(at) { return digit(at) * 16 + digit(at + 1) }
        {
            for (at = 1; at < length($0); at = end + 4) {
                strings = at + 2 * byte(at + 2)
                # Each string ends with a zero, the last one with another.
                for (end = strings; substr($0, end, 4) != "0000"; end += 2);
                if (byte(at) == type) {
                    print substr($0, at, strings - at)
                    print substr($0, strings, end - strings)
                    exit
                }
            }
        }'
}

# has TYPE TEXT: whether the structure has the text among its strings.
has() {
    structure "$1" | tail -n 1 | xxd -r -p | tr '\0' '\n' | grep -qx "$2" ||
        fail "no \`$2\` in the structure of type $1"
}

in_guest() {
    has 0 kiln-vendor
    has 0 kiln-1.0
    has 1 kiln-maker
    has 1 kiln-4711
    has 11 kiln-oem-string
    # The first three fields of a UUID are little-endian here.
    structure 1 | head -n 1 | grep -q 33221100554477668899aabbccddeeff
}
