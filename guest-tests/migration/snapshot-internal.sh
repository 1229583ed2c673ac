#!/bin/sh
# A snapshot inside a qcow2 image, loaded again, brings back the guest's memory and disk as they were; then it is deleted.
#: requires.migration = true
#: channel = "console"
#: requires.devices = ["virtio-blk-pci", "virtio-serial-pci", "virtserialport"]
#: requires.tools = ["qemu-img"]

in_host() {
    cd "$SCRATCH"
    qemu-img create -q -f qcow2 disk 32M
    mkfifo line.in line.out
    qemu -blockdev driver=qcow2,node-name=disk,file.driver=file,file.filename=disk -device "virtio-blk-$KILN_VIRTIO,drive=disk" \
        -chardev pipe,id=line,path=line -device "virtio-serial-$KILN_VIRTIO,id=serial1" \
        -device virtserialport,bus=serial1.0,chardev=line,name=org.kiln.line &
    guest=$!
    exec 3> line.in 4< line.out
    hear before
    qmp snapshot-save job-id=save tag=then vmstate=disk devices='["disk"]'
    job_ends save
    say on
    hear after
    qmp snapshot-load job-id=load tag=then vmstate=disk devices='["disk"]'
    job_ends load
    # The guest waits for its line again, as it did then.
    say back
    wait "$guest"
    qemu-img snapshot -l disk | grep "then"
    qemu-img snapshot -d "then" disk
    qemu-img check disk
    qemu-img convert -O raw disk raw
    has_pattern 1 raw 4
    has_pattern 4 raw 12
}

say() {
    echo "$1" >&3
}

hear() {
    read -r heard <&4
    test "$heard" = "$1" || fail "the guest says \`$heard\`, and not \`$1\`"
}

job_ends() {
    wait_for "qmp query-jobs | grep '\"id\":\"$1\"[^}]*\"status\":\"concluded\"\\|\"status\":\"concluded\"[^}]*\"id\":\"$1\"'"
    qmp query-jobs
    if qmp query-jobs | grep '"error"'; then
        fail "job $1 failed"
    fi
    qmp job-dismiss id="$1"
}

# Between its words `before` and `back` the guest half calls no word: its channel goes back in time, too.
in_guest() {
    wait_for "grep -l org.kiln.line /sys/class/virtio-ports/*/name"
    port=$(basename "$(dirname "$(grep -l org.kiln.line /sys/class/virtio-ports/*/name)")")
    exec 3<> "/dev/$port"
    put_pattern 1 /dev/vda 4
    pattern 2 > /tmp/memory
    echo before >&3
    read -r word <&3
    if test "$word" = on; then
        put_pattern 3 /dev/vda 4
        pattern 3 > /tmp/memory
        echo after >&3
        read -r word <&3
        exit 1
    fi
    test "$word" = back
    has_pattern 1 /dev/vda 4
    pattern 2 | cmp - /tmp/memory
    put_pattern 4 /dev/vda 12
    has_pattern 4 /dev/vda 12
}
