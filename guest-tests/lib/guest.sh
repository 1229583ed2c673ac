#!/bin/sh
# Commands of guest scripts; at the end it runs the test (/kiln/test). both.sh is in front of it.

_call() {
    kiln-call "$@"
}

# wait_for CONDITION [SECONDS]: waits until the condition holds, and fails after SECONDS of test time, which stands still while
# the test waits for a processor of the host.
wait_for() {
    _end='' _asked=''
    until eval "$1" > /dev/null 2>&1; do
        read -r _up _ < /proc/uptime
        # Once a second, because it takes longer than most conditions.
        if test "${_up%.*}" != "$_asked"; then
            _asked=${_up%.*}
            _now=$(kiln-call test_seconds)
            : "${_end:=$((_now + ${2:-${KILN_WAIT:-10}}))}"
            test "$_now" -le "$_end" || fail "waited in vain for: $1$(_compared "$1")"
        fi
        sleep 0.02
    done
}

# disks: the names of the guest's disks. Loop devices, RAM disks, the paths of a multipath device, such as `nvme0c0n1` of
# `nvme0n1`, and the root disk of a guest with Debian do not count.
disks() {
    for _entry in /sys/block/*; do
        _serial=''
        test ! -r "$_entry/serial" || read -r _serial < "$_entry/serial" || :
        case ${_entry##*/}:$_serial in
            loop* | ram* | nvme*c*n* | '*:' | *:kiln-root) ;;
            *) echo "${_entry##*/}" ;;
        esac
    done
}

# only_disk: the name of the guest's only disk. Fails while there is no disk.
only_disk() {
    _found=$(disks | tail -n 1)
    echo "$_found"
    test -n "$_found"
}

# plug DRIVER [key=value]…: adds a device to this guest, a PCI device in a free hotplug slot (header
# `slots`). Prints its id when the guest has it on its bus.
plug() {
    _plugged=$(kiln-call plug "$@") || return
    _take_in "${_plugged#* }"
    echo "${_plugged% *}"
}

# plugged ID: waits for a device that the host script plugs, and does the guest's part.
plugged() {
    _slot=$(kiln-call slot "$1") || return
    _take_in "$_slot"
}

# unplug ID: removes a device, and waits until QEMU has sent DEVICE_DELETED.
unplug() {
    _slot=$(kiln-call unplug "$1") || return
    _give_back "$_slot"
    kiln-call qmp_wait DEVICE_DELETED device="$1" --timeout $((3 * KILN_WAIT)) > /dev/null
}

# release ID: detaches a device before, or while, the host script unplugs it. It succeeds if the device is already gone,
# because the firmware or the kernel ejected it.
release() {
    _slot=$(kiln-call slot "$1" --gone) || return
    _give_back "$_slot"
}

# A text of the machine's file with `{n}` replaced by the number of slot $2.
_at_slot() {
    echo "${1%%\{n\}*}$2${1#*\{n\}}"
}

# Most machines notify their kernel. On others the guest must configure the connector of slot $1 and extend the device tree
# before its kernel finds the device. On Linux this is what drmgr does.
_take_in() {
    test -n "$1" || return 0
    if test -n "$KILN_SLOT_CONNECTOR"; then
        _index=$(($(_at_slot "$KILN_SLOT_CONNECTOR" "$1")))
        kiln-call --rtas set-indicator 9001 "$_index" 1
        printf 'dt add index 0x%x' "$_index" > /sys/kernel/dlpar
        echo 1 > /sys/bus/pci/rescan
    fi
    wait_for "test -e $(_at_slot "$KILN_SLOT_ENTRY" "$1")"
}

_give_back() {
    test -n "$1" && test -n "$KILN_SLOT_CONNECTOR" || return 0
    _index=$(($(_at_slot "$KILN_SLOT_CONNECTOR" "$1")))
    echo 1 > "$(_at_slot "$KILN_SLOT_ENTRY" "$1")/remove"
    printf 'dt remove index 0x%x' "$_index" > /sys/kernel/dlpar
    kiln-call --rtas set-indicator 9001 "$_index" 0
}

# announce poweroff|reboot|panic: announces this end of the guest, which the test expects and causes.
announce() {
    kiln-call leave "$1"
}

# leave poweroff|reboot|panic: announces this end and causes it.
leave() {
    announce "$1"
    case $1 in
        poweroff) poweroff -f ;;
        reboot) reboot -f ;;
        panic) echo c > /proc/sysrq-trigger ;;
        *) fail "leave: \`$1\` expected poweroff, reboot or panic" ;;
    esac
    sleep 3600
}

# has_pattern DIGIT FILE MIB: succeeds if the disk, not only the guest's page cache, has the pattern at this offset.
has_pattern() {
    pattern "$1" > /tmp/pattern
    echo 3 > /proc/sys/vm/drop_caches
    dd if="$2" bs=64k skip=$(($3 * 16)) count=8 status=none > /tmp/found 2> /tmp/error && cmp /tmp/found /tmp/pattern > /tmp/error 2>&1 ||
        ! _explain "expected pattern $1 in $2 at $3 MiB, found $(sed 's/.* differ:/other bytes from/' /tmp/error)"
}

# pci_device VENDOR:DEVICE: prints the sysfs directory of the first PCI function with these numbers.
pci_device() {
    for _device in /sys/bus/pci/devices/*; do
        if test "$(cat "$_device/vendor" "$_device/device" | tr -d '\n')" = "0x${1%:*}0x${1#*:}"; then
            echo "$_device"
            return
        fi
    done
    fail "expected a PCI function $1, found none"
}

# interface MAC: waits for the network card with this address, and prints the name of its interface.
interface() {
    wait_for "grep -l '^$1\$' /sys/class/net/*/address"
    _address=$(grep -l "^$1\$" /sys/class/net/*/address | head -n 1)
    basename "${_address%/address}"
}

# pci_bar DIRECTORY N: enables the function, and prints the address of its Nth region.
pci_bar() {
    test "$(cat "$1/enable")" != 0 || echo 1 > "$1/enable"
    sed -n "$(($2 + 1))s/ .*//p" "$1/resource"
}

# bus_master DIRECTORY: lets a PCI function access memory.
bus_master() {
    printf '\007' | dd of="$1/config" bs=1 seek=4 conv=notrunc 2> /dev/null
}

# peek ADDRESS BITS: reads a register of a PCI device, which is little-endian on every processor.
peek() {
    printf '0x%x\n' "$(_little "$2" "$(devmem $(($1)) "$2")")"
}

# poke ADDRESS BITS VALUE: writes such a register.
poke() {
    devmem $(($1)) "$2" "$(_little "$2" "$3")"
}

_little() {
    case $KILN_ENDIAN$1 in
        big16) echo $((($2 & 0xff) << 8 | $2 >> 8 & 0xff)) ;;
        big32) echo $((($2 & 0xff) << 24 | ($2 & 0xff00) << 8 | $2 >> 8 & 0xff00 | $2 >> 24 & 0xff)) ;;
        *) echo $(($2)) ;;
    esac
}

# port DIRECTORY REGION OFFSET BITS: reads a register in an I/O region of a PCI function.
port() {
    # Byte by byte: on some big-endian processors, the hexdump of busybox prints a number of two bytes wrong.
    _value=
    for _byte in $(dd if="$1/resource$2" bs=$(($4 / 8)) skip=$(($3 * 8 / $4)) count=1 2> /dev/null | hexdump -v -e '1/1 "%02x "'); do
        case $KILN_ENDIAN in
            big) _value=$_value$_byte ;;
            *) _value=$_byte$_value ;;
        esac
    done
    printf '0x%x\n' "0x$_value"
}

# set_port DIRECTORY REGION OFFSET BITS VALUE: writes such a register; the kernel takes a number in the processor's order.
set_port() {
    case $KILN_ENDIAN$4 in
        *8) set -- "$@" "$(printf '\\%03o' $(($5)))" ;;
        little16) set -- "$@" "$(printf '\\%03o' $(($5 & 255)) $(($5 >> 8)))" ;;
        big16) set -- "$@" "$(printf '\\%03o' $(($5 >> 8)) $(($5 & 255)))" ;;
        little32) set -- "$@" "$(printf '\\%03o' $(($5 & 255)) $(($5 >> 8 & 255)) $(($5 >> 16 & 255)) $(($5 >> 24 & 255)))" ;;
        big32) set -- "$@" "$(printf '\\%03o' $(($5 >> 24 & 255)) $(($5 >> 16 & 255)) $(($5 >> 8 & 255)) $(($5 & 255)))" ;;
    esac
    printf '%b' "$6" | dd of="$1/resource$2" bs=$(($4 / 8)) seek=$(($3 * 8 / $4)) conv=notrunc 2> /dev/null
}

# inb, inw, inl PORT; outb, outw, outl PORT VALUE: read and write a legacy I/O port in one access of 8, 16 or 32 bits.
# They fail on a processor that has no ports.
inb() { kiln-call --port 8 "$1"; }
inw() { kiln-call --port 16 "$1"; }
inl() { kiln-call --port 32 "$1"; }
outb() { kiln-call --port 8 "$1" "$2"; }
outw() { kiln-call --port 16 "$1" "$2"; }
outl() { kiln-call --port 32 "$1" "$2"; }

# nvme_admin DEVICE OPCODE [FIELD=VALUE]…: sends an NVMe admin command. A field is `nsid`, `cdw2`, `cdw3`, `cdw10` to
# `cdw15`, `read` (number of bytes that the controller returns; they are printed as they are) or `write` (number of bytes that it
# takes from standard input). Without `read` it prints doubleword 0 of the completion. It fails if the controller reports an error status.
nvme_admin() {
    kiln-call --nvme "$@"
}

# nvme COMMAND DEVICE [OPTION VALUE]…: the commands of nvme-cli that concern controllers and namespaces, by their short
# options: `virt-mgmt -c -r -a -n`, `attach-ns -n -c`, `detach-ns -n -c`.
nvme() {
    _command=$1 _device=$2 _c=0 _r=0 _a=0 _n=0
    shift 2
    while test $# -gt 1; do
        case $1 in
            -c) _c=$2 ;;
            -r) _r=$2 ;;
            -a) _a=$2 ;;
            -n) _n=$2 ;;
            *) fail "nvme $_command: unknown option \`$1\`" ;;
        esac
        shift 2
    done
    test $# = 0 || fail "nvme $_command: \`$1\` has no value"
    case $_command in
        virt-mgmt) nvme_admin "$_device" 0x1c cdw10=$((_c << 16 | _r << 8 | _a)) cdw11="$_n" ;;
        attach-ns) _attach 0 ;;
        detach-ns) _attach 1 ;;
        *) fail "nvme: unknown command \`$_command\`" ;;
    esac
}

# Sends a controller list: its length, then each controller, as little-endian 16-bit numbers.
_attach() {
    {
        _count=$(($(echo "$_c" | tr -dc , | wc -c) + 1))
        for _id in $_count $(echo "$_c" | tr , ' '); do
            # shellcheck disable=SC2059  # the bytes are octal escapes
            printf "$(printf '\\%03o' $((_id & 255)) $((_id >> 8)))"
        done
        head -c $((4094 - 2 * _count)) /dev/zero
    } | nvme_admin "$_device" 0x15 nsid="$_n" cdw10="$1" write=4096
}

# The functions below print the machine as the guest sees it, one line per item, without what the kernel or the firmware decides.

# pci_functions: prints each function with its IDs, pin, capabilities (id@offset, MSI-X with its vectors) and regions.
pci_functions() {
    for _device in /sys/bus/pci/devices/*; do
        test -e "$_device" || continue
        hexdump -v -e '1/1 "%u "' "$_device/config" | awk -v name="${_device##*/}" '
            function two(at) { return $(at + 1) + 256 * $(at + 2) }
            {
                printf "%s %04x:%04x class %02x%02x%02x", name, two(0), two(2), $12, $11, $10
                printf " revision %02x header %02x pin %d", $9, $15, $62
                if ($15 % 128 == 0) printf " subsystem %04x:%04x", two(44), two(46)
                if (int($7 / 16) % 2)
                    for (at = $53; at; at = $(at + 2)) {
                        printf " %02x@%02x", $(at + 1), at
                        if ($(at + 1) == 17) printf "*%d", two(at + 2) % 2048 + 1
                    }
                for (at = 256; at + 4 <= NF && at >= 256 && two(at); at = int(two(at + 2) / 16))
                    printf " %04x@%03x", two(at), at
            }'
        head -n 6 "$_device/resource" | while read -r _start _end _flags; do
            case $((_flags >> 8 & 3)) in
                1) printf ' io:%x' $((_end - _start + 1)) ;;
                2) printf ' memory%d%s:%x' $((32 + 32 * (_flags >> 20 & 1))) "$(test $((_flags >> 13 & 1)) = 0 || echo p)" \
                    $((_end - _start + 1)) ;;
            esac
        done
        echo
    done
}

# virtio_features: prints the features that each virtio PCI device offers, accepted by a driver or not, and its number of queues.
virtio_features() {
    for _device in /sys/bus/pci/devices/*; do
        ls -d "$_device"/virtio* > /dev/null 2>&1 || continue
        _common=$(pci_bar "$_device" 4)
        printf '%s %s' "$(basename "$_device")" "$(cat "$_device"/virtio*/device)"
        for _word in 1 0; do
            poke "$_common" 32 $_word
            printf ' %08x' "$(peek $((_common + 4)) 32)"
        done
        printf ' queues %d\n' "$(peek $((_common + 18)) 16)"
    done
}

# acpi_tables: prints each table with its length and digest, as QEMU made it, before the firmware adds addresses.
acpi_tables() {
    _each_acpi_table _summary
}

_summary() {
    echo "$(head -c 4 /tmp/acpi-table) $_length $(sha256sum /tmp/acpi-table | head -c 16)"
}

# acpi_table NAME [N]: prints the bytes of the first, or Nth, table of this name, as QEMU made it. The firmware's version is
# /sys/firmware/acpi/tables/NAME.
acpi_table() {
    _name=$1 _left=${2:-1}
    _each_acpi_table _if_named
    test "$_left" -le 0 || fail "acpi_table: no table \`$*\`"
}

_if_named() {
    test "$(head -c 4 /tmp/acpi-table)" = "$_name" || return 0
    _left=$((_left - 1))
    test $_left != 0 || cat /tmp/acpi-table
}

# Calls $1 for each table, with the table in /tmp/acpi-table.
_each_acpi_table() {
    cat /sys/firmware/qemu_fw_cfg/by_name/etc/acpi/tables/raw > /tmp/acpi
    _at=0
    while _length=$(hexdump -s $((_at + 4)) -n 4 -e '1/4 "%u"' /tmp/acpi) && test "${_length:-0}" != 0; do
        tail -c +$((_at + 1)) /tmp/acpi | head -c "$_length" > /tmp/acpi-table
        "$1"
        _at=$((_at + _length))
    done
}

# processor: prints what the first processor can do.
processor() {
    sed -n '/^vendor\|^cpu family\|^model\|^stepping\|^flags\|^Features\|^CPU \|^isa\|^cpu[[:space:]]*:\|^revision/{s/[[:space:]]*:/:/p};/^$/q' \
        /proc/cpuinfo | fold -s -w 120
    # As "Linux on Power Architecture Reference" names them, in the device trees that have them.
    for _property in cpus/*@0/ibm,pa-features chosen/ibm,arch-vec-5-platform-support; do
        for _file in /proc/device-tree/$_property; do
            test ! -e "$_file" || echo "${_file##*/}: $(xxd -p "$_file" | tr -d '\n')"
        done
    done
}

# fingerprint: prints all of these; the name is that of qemu-test.
fingerprint() {
    grep -H . /sys/class/dmi/id/* 2> /dev/null | sed 's,.*/,,' || true
    processor
    pci_functions
    virtio_features
}

# tell_version COMMAND…: posts the output of these commands, for `machine_versions` in the host script.
tell_version() {
    for _look in "$@"; do
        "$_look"
    done > /tmp/version
    post "version-$(kernel_parameter version)" "$(cat /tmp/version)"
}

# kernel_parameter NAME: the value of NAME=… on the kernel command line.
kernel_parameter() {
    sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline
}

# record_input DRIVER [key=value]…: plugs an input device and records its events in /tmp/events until `end_recording`.
record_input() {
    ls /dev/input > /tmp/names 2> /dev/null || true
    plug "$@"
    wait_for "_new_input > /tmp/device" 20
    exec 3< "$(cat /tmp/device)"
    cat <&3 > /tmp/events &
    _recorder=$!
}

# The event device that was not in /dev/input before.
_new_input() {
    for _path in /dev/input/event*; do
        test ! -e "$_path" || grep -qx "${_path##*/}" /tmp/names || { echo "$_path"; return 0; }
    done
    return 1
}

end_recording() {
    kill "$_recorder"
    exec 3<&-
}

# input_events: the recorded events, one per line: type, code and the lower half of the value.
input_events() {
    # An event is a time of two words, then type and code of 16 bits and a value of 32 bits.
    _time=$((KILN_BITS / 8))
    _value=$((_time + 3))
    test "$KILN_ENDIAN" = little || _value=$((_time + 4))
    od -An -v -t d2 -w$((2 * _time + 8)) /tmp/events |
        awk -v time="$_time" -v value="$_value" 'NF == time + 4 { print $(time + 1), $(time + 2), $value }'
}

# disk_behind_iommu: checks that data written to /dev/vda goes through a translating IOMMU and can be read back. The host script
# finds the text `through the IOMMU` at the 255th 64 KiB.
disk_behind_iommu() {
    # VIRTIO_F_ACCESS_PLATFORM: without it the device would go around the IOMMU.
    test "$(cut -c34 /sys/block/vda/device/features)" = 1
    _disk=$(readlink -f /sys/block/vda/device/..)
    test -e "$_disk/iommu_group" || fail "the disk is in no IOMMU group"
    grep -q '^DMA' "$_disk/iommu_group/type"
    dd if=/dev/urandom of=/tmp/data bs=64k count=64
    dd if=/tmp/data of=/dev/vda bs=64k seek=7 conv=fsync
    echo through the IOMMU | dd of=/dev/vda bs=64k seek=255 conv=fsync,sync
    echo 3 > /proc/sys/vm/drop_caches
    dd if=/dev/vda bs=64k skip=7 count=64 | cmp - /tmp/data
}

# The default for a test without a guest script: booting is the test.
in_guest() {
    :
}

# Reports where a script ended early.
_ended() {
    case $1 in
        0 | 77) return ;;
    esac
    _report
    test -z "$KILN_SHELL_ON_FAIL" || _stay "$1"
}

# Opens a shell in a guest that failed. When the shell exits, the guest ends as it would have without.
_stay() {
    kiln-call shell "$1"
    exec 9<> "/dev/$(sed 's/.* //' /sys/class/tty/console/active)"
    setsid -c sh -i <&9 >&9 2>&9 || true
}

test ! -e /kiln/shell || (setsid sh /kiln/shell < /dev/null > /dev/null 2>&1 &)
_place=''
trap '_ended $?' EXIT
# A test that asks for a console reads from it.
test "$KILN_STDIN" != console || exec < "/dev/$(sed 's/.* //' /sys/class/tty/console/active)"
# An unset variable is an error, as in the host script.
set -eu
# A test written for qemu-test ends with its own `if test $QEMU_TEST`, which calls its guest script.
# shellcheck source=/dev/null
. /kiln/test
test -n "$KILN_CALLS_ITSELF" || in_guest
