#!/bin/sh
# Virtio devices offer the features and queues that they did when this machine type was made.
# Not on riscv64, whose machine has no versions.
#: arch = ["x86_64", "aarch64", "ppc64", "ppc64le"]
#: groups = ["fingerprint", "virtio"]
#: requires.qemu = "7.2"
#: start = "cold"

in_host() {
    set -- -netdev hubport,id=n0,hubid=0 -object memory-backend-ram,id=m0,size=1M -audiodev none,id=a0 \
        -fsdev local,id=f0,path="$SCRATCH",security_model=none -object cryptodev-backend-builtin,id=c0 \
        -object iothread,id=t0 -blockdev driver=null-co,node-name=d0,size=1048576
    slot=2
    for device in virtio-net-pci,netdev=n0 virtio-blk-pci,drive=d0 virtio-scsi-pci,iothread=t0 virtio-serial-pci \
        virtio-balloon-pci virtio-rng-pci virtio-9p-pci,fsdev=f0,mount_tag=share virtio-gpu-pci virtio-keyboard-pci \
        virtio-tablet-pci virtio-crypto-pci,cryptodev=c0; do
        slot=$((slot + 1))
        set -- "$@" -device "$device,addr=$(printf '%x' $slot)"
    done
    case $KILN_ARCH in
        x86_64) machine=pc-q35-7.2 ;;
        aarch64) machine="virt-7.2 -cpu cortex-a57" ;;
        ppc64*) machine=pseries-7.2,x-vof=on ;;
    esac
    # shellcheck disable=SC2086 # some come with more words
    qemu -machine $machine "$@"
}

in_guest() {
    virtio_features
}
