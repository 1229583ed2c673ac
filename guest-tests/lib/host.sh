#!/bin/sh
# Commands of host scripts; at the end it runs the test. both.sh is in front of it.
# The runner passes the path of the test as $1, and sets KILN, KILN_SOCKET, QEMU_TEST and SCRATCH.

_call() {
    "$KILN" host-helper "$@"
}

# qemu [QEMU ARGUMENT]…: boots the image, runs `in_guest` in it and returns its exit status.
qemu() {
    _call qemu "$@"
}

# expect_fail qemu [QEMU ARGUMENT]…: succeeds if QEMU refuses to start, and prints its message.
expect_fail() {
    _call expect_fail "$@"
}

# wait_ready [-g GUEST]: waits until that guest runs `in_guest`, or has arrived by migration.
wait_ready() {
    _call wait_ready "$@"
}

# plug [-g GUEST] DRIVER [key=value]…: adds a device to a running guest, a PCI device in a free hotplug
# slot (header `slots`), and prints its id. The guest script calls `plugged ID`.
plug() {
    _plugged=$(_call plug "$@") || return
    echo "${_plugged% *}"
}

# unplug [-g GUEST] ID: removes a device and waits until it is gone; the guest script calls `release ID`.
unplug() {
    _call unplug "$@" --wait
}

# console_write [-g GUEST] < TEXT: types the text on the guest's console.
console_write() {
    _call console_write "$@" -
}

# chardev_write SOCKET < TEXT: writes to a Unix socket of a chardev. The connection stays open until the test
# ends, and what QEMU sends back is in SOCKET.log.
chardev_write() {
    _call chardev_write "$@" -
}

# The next three are for scripts of qemu-test. start_qemu [QEMU ARGUMENT]…: as `qemu`, in the background; $pid is the process
# to wait for or to kill, $tmplog the file with what the guest prints.
start_qemu() {
    # shellcheck disable=SC2154  # from the runner
    : > "$tmplog"
    "$KILN" host-helper qemu "$@" &
    pid=$!
}

# qemu_is_okay: succeeds while that guest runs. A shell may not have noticed yet that its child has ended.
qemu_is_okay() {
    kill -0 "$pid" 2> /dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$pid/status"
}

# get_qemu_status: waits until that guest has ended, and returns the status of `in_guest`.
get_qemu_status() {
    wait "$pid"
}

# offered NAME: prints all values of `choices.NAME` in the header that this QEMU and the kernel support, one per line.
offered() {
    _call offered "$@"
}

# disk_device CONTROLLER NODE [PROPERTY]…: prints the options for a disk with the data of a block node behind a controller of this
# type. The properties are those of the disk.
disk_device() {
    _controller=$1 _node=$2
    shift 2
    _disk="drive=$_node$(printf ',%s' "$@")"
    test $# != 0 || _disk="drive=$_node"
    case $_controller in
        virtio-blk-*) echo "-device $_controller,$_disk" ;;
        nvme) echo "-device nvme,serial=kiln,$_disk" ;;
        ich9-ahci | piix*-ide | sii3112) echo "-device $_controller,id=c-$_node -device ide-hd,bus=c-$_node.0,$_disk" ;;
        sdhci-pci) echo "-device sdhci-pci,id=c-$_node -device sd-card,$_disk" ;;
        ufs) echo "-device ufs,id=c-$_node -device ufs-lu,bus=c-$_node,lun=0,$_disk" ;;
        usb-storage) echo "-device qemu-xhci,id=x-$_node -device usb-storage,bus=x-$_node.0,$_disk" ;;
        usb-*) echo "-device qemu-xhci,id=x-$_node -device $_controller,id=c-$_node,bus=x-$_node.0 -device scsi-hd,bus=c-$_node.0,$_disk" ;;
        *) echo "-device $_controller,id=c-$_node -device scsi-hd,bus=c-$_node.0,$_disk" ;;
    esac
}

# hub_of CARD…: prints the options for a hub with these network cards, whose MAC addresses are 52:54:00:00:00:01, …:02 and so on, and
# with a virtio card as their peer, …:10.
hub_of() {
    _cards=0
    for _card; do
        _cards=$((_cards + 1))
        echo "-netdev hubport,id=p$_cards,hubid=0 -device $_card,netdev=p$_cards,mac=52:54:00:00:00:0$_cards"
    done
    echo "-netdev hubport,id=peer,hubid=0 -device virtio-net-pci,netdev=peer,mac=52:54:00:00:00:10"
}

# tone FILE: makes a file of 1 MiB with a tone from 64 KiB on: frames of two signed 16-bit samples, left 8224, right 4112.
tone() {
    truncate -s 1M "$1"
    yes "$(printf '  \020\020')" | tr -d '\n' | head -c 131072 | dd of="$1" bs=64k seek=1 iflag=fullblock conv=notrunc status=none
}

# heard WAV CHANNELS: fails unless the tone was heard on these channels, one after the other. A sound shorter than 10 ms at 48 kHz,
# or a silence shorter than 100 ms, does not count.
heard() {
    _heard=$(tail -c +45 "$1" | od -An -v -t d2 -w4 | awk '
        BEGIN { name["8224 4112"] = "both"; name["8224 0"] = "left"; name["0 4112"] = "right"; name["0 0"] = "none" }
        function end() {
            if (frames < (run == "none" ? 4800 : 480) || run == last) return
            if (run != "none" || last != "") list = list (list == "" ? "" : ", ") run
            last = run
        }
        {
            level = $1 " " $2
            channels = level in name ? name[level] : level
            if (channels != run) { end(); run = channels; frames = 0 }
            frames++
        }
        END { end(); print list }')
    test "${_heard%, none}" = "$2" || fail "expected to hear $2; found ${_heard:-nothing}"
}

# serve DIRECTORY: serves the directory over HTTP while the test runs; prints the URL that guests use.
serve() {
    _call serve "$@"
}

# machine_versions FAMILY OPTIONS [QEMU ARGUMENT]…: boots FAMILY-7.2 to FAMILY-10.0 with these machine options and the same
# devices in each, and prints the differences between what the guests report with `tell_version`.
machine_versions() {
    _family=$1 _options=$2 _before=
    shift 2
    for _version in 7.2 8.0 8.1 8.2 9.0 9.1 9.2 10.0; do
        qemu -machine "$_family-$_version$_options" "$@" -append "version=$_version" -audiodev none,id=a0 \
            -netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,addr=3 -device virtio-balloon-pci,addr=4 \
            -device virtio-scsi-pci,addr=5 -device e1000e,addr=6 -device nvme,serial=kiln,addr=7 -device qemu-xhci,addr=8 \
            -device VGA,addr=9 -device intel-hda,addr=a
        await "version-$_version" > "$SCRATCH/$_version"
        test -s "$SCRATCH/$_version"
        test -z "$_before" || {
            echo "from $_before to $_version:"
            diff "$SCRATCH/$_before" "$SCRATCH/$_version" | grep '^[<>]' || true
        }
        _before=$_version
    done
}

# wait_for CONDITION [SECONDS]: waits until the condition holds, and fails after SECONDS of test time, which stands still while
# the test waits for a processor.
wait_for() {
    _end='' _turns=0
    until eval "$1" > /dev/null 2>&1; do
        # About once a second, because it takes longer than most conditions.
        if test "$_turns" = 0; then
            _now=$(_call test_seconds)
            : "${_end:=$((_now + ${2:-${KILN_WAIT:-10}}))}"
            test "$_now" -le "$_end" || fail "waited in vain for: $1$(_compared "$1")"
        fi
        _turns=$(((_turns + 1) % 20))
        sleep 0.05
    done
}

# has_pattern DIGIT FILE MIB: succeeds if the file has the pattern at this offset.
has_pattern() {
    pattern "$1" > "$SCRATCH/pattern"
    dd if="$2" bs=64k skip=$(($3 * 16)) count=8 status=none | cmp - "$SCRATCH/pattern" > "$SCRATCH/difference" 2>&1 ||
        ! _explain "expected pattern $1 in $2 at $3 MiB, found $(sed 's/.* differ:/other bytes from/' "$SCRATCH/difference")"
}

# Reports where a script ended early.
_ended() {
    case $1 in
        0 | 77) return ;;
    esac
    _report
}

_place=''
_files=$SCRATCH
trap '_ended $?' EXIT
# An unset variable is an error, so that `$SCRTCH/disk` never names the host's root directory.
set -eu
# shellcheck source=/dev/null
. "$1"
test -n "$KILN_CALLS_ITSELF" || in_host
