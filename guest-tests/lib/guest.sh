#!/bin/sh
# What runs in the guest: the words a test may use there, then the test itself (/kiln/test).

# wait_for CONDITION [SECONDS]: until the condition holds; fails when it does not in time.
wait_for() {
    read -r _up _ < /proc/uptime
    _end=$((${_up%.*} + ${2:-${KILN_WAIT:-10}}))
    until eval "$1" > /dev/null 2>&1; do
        read -r _up _ < /proc/uptime
        test "${_up%.*}" -le "$_end" || fail "waited in vain for: $1"
        usleep 20000
    done
}

# skip REASON: this test cannot say anything here.
skip() {
    kiln-call skip "$*"
    exit 77
}

# fail REASON: the reason becomes the cause in the report.
fail() {
    kiln-call fail "$*"
    exit 1
}

# qmp COMMAND [key=value]…, qmp - <<JSON: asks QEMU's monitor, and prints what it returns as a line
# of JSON. Here and below, `-g GUEST` in front names another QEMU of the test.
qmp() {
    kiln-call qmp "$@"
}

# qmp_wait EVENT [key=value]… [--timeout SECONDS]: until QEMU sends this event with these data, or has
# sent it before; prints it. Each event is given out once.
qmp_wait() {
    kiln-call qmp_wait "$@"
}

# hmp COMMAND LINE: asks the human monitor and prints its text.
hmp() {
    kiln-call hmp "$@"
}

# plug DRIVER [key=value]…: adds a device to this guest, a PCI device in a free hotplug slot (header
# `slots`). Prints its id as soon as the guest has it on its bus.
plug() {
    _plugged=$(kiln-call plug "$@") || return
    _take_in "${_plugged#* }"
    echo "${_plugged% *}"
}

# plugged ID: waits for a device that the host half plugs, and takes it in.
plugged() {
    _slot=$(kiln-call slot "$1") || return
    _take_in "$_slot"
}

# unplug ID: takes it out again, and waits until QEMU says that it is gone.
unplug() {
    _slot=$(kiln-call unplug "$1") || return
    _give_back "$_slot"
    kiln-call qmp_wait DEVICE_DELETED device="$1" --timeout $((3 * KILN_WAIT)) > /dev/null
}

# release ID: gives it back before, or while, the host half unplugs it.
release() {
    _slot=$(kiln-call slot "$1") || return
    _give_back "$_slot"
}

# What the machine's file says of slot $2, in a text with `{n}`.
_at_slot() {
    echo "${1%%\{n\}*}$2${1#*\{n\}}"
}

# Most machines tell their kernel. On others the connector of slot $1 is the guest's to configure, and
# the device tree to extend, before its kernel can look: on Linux, drmgr's work.
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

# post NAME [TEXT], await NAME [SECONDS]: one half says that it has come to a point, the other waits for
# that, and prints the text.
post() {
    kiln-call post "$@"
}

await() {
    kiln-call await "$@"
}

# choose NAME WORD…: one of the words, by the run's seed; printed, and listed in the report.
choose() {
    kiln-call choose "$@"
}

named_choose() {
    choose "$@"
}

# announce poweroff|reboot|panic: the guest is about to end so, and that is right. The test brings it about.
announce() {
    kiln-call leave "$1"
}

# leave poweroff|reboot|panic: announces that end, and brings it about.
leave() {
    announce "$1"
    case $1 in
        poweroff) poweroff -f ;;
        reboot) reboot -f ;;
        panic) echo c > /proc/sysrq-trigger ;;
        *) fail "leave: \`$1\` is none of poweroff, reboot, panic" ;;
    esac
    sleep 3600
}

# pattern DIGIT: half a mebibyte that is at no two places the same, another for each digit from 1 to 9.
pattern() {
    seq "${1}00000" "${1}99999" | head -c 524288
}

# put_pattern DIGIT FILE MIB: writes it there, at so many mebibytes, as far as the disk's own memory.
put_pattern() {
    pattern "$1" | dd of="$2" bs=64k seek=$(($3 * 16)) iflag=fullblock conv=fsync,notrunc status=none
}

# has_pattern DIGIT FILE MIB: whether that is what is there, on the disk and not only in the guest's memory.
has_pattern() {
    pattern "$1" > /tmp/pattern
    echo 3 > /proc/sys/vm/drop_caches
    dd if="$2" bs=64k skip=$(($3 * 16)) count=8 status=none | cmp - /tmp/pattern
}

# pci_device VENDOR:DEVICE: the sysfs directory of the first PCI function with these numbers.
pci_device() {
    for _device in /sys/bus/pci/devices/*; do
        if test "$(cat "$_device/vendor" "$_device/device" | tr -d '\n')" = "0x${1%:*}0x${1#*:}"; then
            echo "$_device"
            return
        fi
    done
    fail "there is no PCI function $1"
}

# pci_bar DIRECTORY N: enables the function, and prints where the processor finds its Nth region.
pci_bar() {
    test "$(cat "$1/enable")" != 0 || echo 1 > "$1/enable"
    sed -n "$(($2 + 1))s/ .*//p" "$1/resource"
}

# peek ADDRESS BITS: reads a register of a PCI device, which is little-endian whatever the processor is.
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

# port DIRECTORY REGION OFFSET BITS: reads a register of a PCI function's region of ports.
port() {
    printf '0x%x\n' "$(dd if="$1/resource$2" bs=$(($4 / 8)) skip=$(($3 * 8 / $4)) count=1 2> /dev/null |
        hexdump -v -e "1/$(($4 / 8)) \"%u\"")"
}

# set_port DIRECTORY REGION OFFSET BITS VALUE: writes such a register; the kernel takes a number in the processor's order.
set_port() {
    case $KILN_ENDIAN$4 in
        *8) set -- "$@" "$(printf '\\%03o' $(($5)))" ;;
        little16) set -- "$@" "$(printf '\\%03o' $(($5 & 255)) $(($5 >> 8)))" ;;
        big16) set -- "$@" "$(printf '\\%03o' $(($5 >> 8)) $(($5 & 255)))" ;;
    esac
    printf '%b' "$6" | dd of="$1/resource$2" bs=$(($4 / 8)) seek=$(($3 * 8 / $4)) conv=notrunc 2> /dev/null
}

# A host half alone is a test too: then booting is all that is asked of the guest.
in_guest() {
    :
}

# A guest that fails stays for whoever wants to look, and ends as it would have when the shell does.
_stay() {
    case $1 in
        0 | 77) return ;;
    esac
    kiln-call shell
    _tty=/dev/$(sed 's/.* //' /sys/class/tty/console/active)
    setsid -c sh -i < "$_tty" > "$_tty" 2>&1 || true
}

test -z "$KILN_SHELL_ON_FAIL" || trap '_stay $?' EXIT
set -e
# A test written for qemu-test ends with its own `if test $QEMU_TEST`, and so calls its half itself.
# shellcheck source=/dev/null
. /kiln/test
test -n "$KILN_CALLS_ITSELF" || in_guest
