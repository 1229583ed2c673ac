#!/bin/sh
# QEMU makes the SMBIOS structures that it made when this machine type was, field by field, string by string.
#: arch = ["x86_64", "aarch64"]
#: groups = ["fingerprint"]
#: requires.qemu = "10.0"
#: start = "cold"

in_host() {
    case $KILN_ARCH in
        x86_64) machine=pc-q35-7.2 ;;
        *) machine="virt-7.2 -cpu cortex-a57" ;;
    esac
    # shellcheck disable=SC2086 # some come with more words
    qemu -machine $machine
}

# A structure: type, length, handle and fields in hexadecimal; then its strings.
in_guest() {
    hexdump -v -e '1/1 "%u "' /sys/firmware/qemu_fw_cfg/by_name/etc/smbios/smbios-tables/raw | awk '{
        for (at = 1; at < NF; at = end + 2) {
            printf "type %d:", $at
            for (i = at + 4; i < at + $(at + 1); i++) printf " %02x", $i
            printf ";"
            # Each string ends with a zero, the last one with another.
            for (end = at + $(at + 1); $end + $(end + 1); end++) printf "%s", $end ? sprintf("%c", $end) : " | "
            print ""
        }
    }'
}
