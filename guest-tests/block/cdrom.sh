#!/bin/sh
# A CD is read, cannot be written, is locked while it is mounted, is ejected by the guest and changed by QEMU.
#: requires.devices = ["virtio-scsi-pci", "scsi-cd"]

in_host() {
    cd "$SCRATCH"
    truncate -s 2M first second
    put_pattern 1 first 1
    put_pattern 2 second 1
    qemu -blockdev driver=raw,node-name=first,read-only=on,file.driver=file,file.filename=first \
        -blockdev driver=raw,node-name=second,read-only=on,file.driver=file,file.filename=second \
        -device virtio-scsi-pci -device scsi-cd,id=cd,drive=first
}

in_guest() {
    # Otherwise a controller that is found after boot, as in a restored guest, is scanned for 15 s.
    test "$(cat /sys/module/scsi_mod/parameters/scan)" = async
    wait_for "true < /dev/sr0"
    # The kernel closes the tray only on request.
    echo 0 > /proc/sys/dev/cdrom/autoclose
    has_pattern 1 /dev/sr0 1
    if put_pattern 3 /dev/sr0 1; then
        fail "a CD was written"
    fi
    # Open, and so locked: QEMU can only ask the guest to eject it.
    exec 3< /dev/sr0
    qmp query-block | grep '"locked":true'
    qmp blockdev-open-tray id=cd
    qmp query-block | grep '"tray_open":false'
    exec 3<&-
    eject /dev/sr0
    qmp_wait DEVICE_TRAY_MOVED id=cd tray-open=true
    if has_pattern 1 /dev/sr0 1; then
        fail "the CD is read in an open tray"
    fi
    qmp blockdev-remove-medium id=cd
    qmp blockdev-insert-medium id=cd node-name=second
    qmp blockdev-close-tray id=cd
    qmp_wait DEVICE_TRAY_MOVED id=cd tray-open=false
    wait_for 'has_pattern 2 /dev/sr0 1'
}
