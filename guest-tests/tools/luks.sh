#!/bin/sh
# An encrypted image opens with its passphrase only, and a second passphrase replaces the first.
#: kind = "host"
#: requires.qemu_tools = ["qemu-img", "qemu-io"]
#: groups = ["block"]

# opens KEY: whether the image can be read with this passphrase.
opens() {
    "$QEMU_IO" -r --object "secret,id=key,file=$1" --image-opts -c 'read -q -P 0x2a 0 64k' \
        driver="$format",file.filename=disk,"$parameter"=key > opened.log 2>&1
}

in_host() {
    format=$(choose format luks qcow2)
    printf one > one.key
    printf two > two.key
    case $format in
    luks) parameter=key-secret options=key-secret=key,iter-time=10 prefix= ;;
    qcow2) parameter=encrypt.key-secret options=encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10 prefix=encrypt. ;;
    esac
    "$QEMU_IMG" create -q --object secret,id=key,file=one.key -f "$format" -o "$options" disk 1M ||
        skip "this qemu-img has no encryption"
    "$QEMU_IO" --object secret,id=key,file=one.key --image-opts -c 'write -q -P 0x2a 0 64k' \
        driver="$format",file.filename=disk,"$parameter"=key
    opens one.key
    ! opens two.key || fail "a wrong passphrase opens the image"
    grep -q 'Invalid password' opened.log
    # The file does not hold the plain text.
    tr -d '\052' < disk | wc -c > others
    test "$(cat others)" -ge "$(($(stat -c %s disk) - 32768))"

    amend() {
        "$QEMU_IMG" amend -q --object secret,id=key,file=one.key --object secret,id=new,file=two.key \
            --image-opts driver="$format",file.filename=disk,"$parameter"=key -o "$1"
    }
    amend "${prefix}state=active,${prefix}new-secret=new,${prefix}iter-time=10"
    opens one.key && opens two.key
    amend "${prefix}state=inactive,${prefix}old-secret=key"
    opens two.key
    ! opens one.key || fail "an erased passphrase opens the image"
}
