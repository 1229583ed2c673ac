#!/bin/sh
# A guest of an older machine type goes on in another QEMU with the same type and sees the same machine; another type is refused.
#: timeout = "60s"
#: groups = ["migration"]
#: choices.machine.x86_64 = { from = "machines", prefix = "pc-q35-" }
#: choices.machine.aarch64 = { from = "machines", prefix = "virt-" }
#: choices.machine.ppc64 = { from = "machines", prefix = "pseries-" }
#: requires.qemu = "9.0"

in_host() {
    machine=$(choose machine)
    case $KILN_ARCH in
        x86_64) other=q35 ;;
        aarch64) other=virt ;;
        ppc64) other=pseries ;;
    esac
    # The newest type would be the same as the one without a version.
    newer=$machine
    set -- -netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,addr=3 -device virtio-balloon-pci,addr=4 \
        -device qemu-xhci,addr=5
    case $KILN_ARCH in
        aarch64) set -- -cpu cortex-a57 "$@" ;;
        ppc64) newer=$machine,x-vof=on ;;
    esac
    qemu -machine "$newer" -name source "$@" &
    wait_ready -g source
    qmp migrate "uri=file:$SCRATCH/state"
    qmp_wait STOP
    wait_for 'qmp query-migrate | grep "\"status\":\"completed\""'
    qmp quit
    wait
    qemu -machine "$newer" -name target "$@" -incoming "file:$SCRATCH/state"
}

in_guest() {
    pci_functions > /tmp/before
    virtio_features >> /tmp/before
    post ready
    wait_for 'qmp query-name | grep target' 40
    pci_functions > /tmp/after
    virtio_features >> /tmp/after
    diff /tmp/before /tmp/after
}
