#!/bin/sh
# An encrypted disk is plain to the guest and not in its image; without the right passphrase QEMU does not start.
#: requires.devices = ["virtio-blk-pci"]
#: requires.tools = ["qemu-img"]
#: choices.format = ["luks", "qcow2"]

in_host() {
    format=$(choose format)
    cd "$SCRATCH"
    case $format in
        luks) key=key-secret=key time=iter-time=10 ;;
        qcow2) key=encrypt.format=luks,encrypt.key-secret=key time=encrypt.iter-time=10 ;;
    esac
    qemu-img create -q -f "$format" --object secret,id=key,data=kiln -o "$key,$time" image 16M
    disk="driver=$format,node-name=disk,file.driver=file,file.filename=image,$key"
    expect_fail qemu -object secret,id=key,data=kilm -blockdev "$disk" | grep 'Invalid password'
    qemu -object secret,id=key,data=kiln -blockdev "$disk" -device virtio-blk-pci,drive=disk
    # A line of the pattern.
    if grep -q -F 177777 image; then
        fail "the image has what the guest wrote in clear"
    fi
    image="driver=$format,file.filename=image,$key"
    qemu-img convert --object secret,id=key,data=kiln --image-opts "$image" -O raw raw
    has_pattern 1 raw 5
}

in_guest() {
    test "$(blockdev --getsize64 /dev/vda)" = 16777216
    put_pattern 1 /dev/vda 5
    has_pattern 1 /dev/vda 5
}
