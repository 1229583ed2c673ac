#!/bin/sh
# A guest of any machine type continues in another QEMU of the same type and sees the same machine; another type is refused.
# Not on m68k, which has no PCI, and not on s390x, where QEMU does not migrate PCI devices.
#: requires.migration = true
#: except-arch = ["m68k", "s390x"]
#: timeout = "60s"
#: groups = ["migration"]
#: choices.machine.x86_64 = { from = "machines", prefix = "pc-q35-" }
#: choices.machine.aarch64 = { from = "machines", prefix = "virt-" }
#: choices.machine.ppc64 = { from = "machines", prefix = "pseries-" }
#: choices.machine.ppc64le = { from = "machines", prefix = "pseries-" }
#: choices.machine.riscv64 = ["virt"]
#: choices.machine.i386 = { from = "machines", prefix = "pc-q35-" }
#: choices.machine.arm = { from = "machines", prefix = "virt-" }
#: choices.machine.loongarch64 = ["virt"]
#: choices.machine.mips64 = ["malta"]
#: choices.machine.mips64el = ["malta"]
#: choices.machine.mips = ["malta"]
#: choices.machine.mipsel = ["malta"]
#: requires.qemu = "9.0"

in_host() {
    machine=$(choose machine)
    case $KILN_ARCH in
        x86_64 | i386) other=pc-i440fx-9.0 ;;
        aarch64)
            other=none
            set -- -cpu cortex-a57
            ;;
        ppc64*)
            other=none
            machine=$machine,x-vof=on
            ;;
        mips64*)
            other=none
            set -- -cpu MIPS64R2-generic
            ;;
        *) other=none ;;
    esac
    set -- "$@" -netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,addr=3 -device virtio-balloon-pci,addr=4 \
        -device qemu-xhci,addr=5
    qemu -machine "$machine" -name source "$@" &
    await ready
    qmp migrate "uri=file:$SCRATCH/state"
    qmp_wait STOP
    wait_for 'qmp query-migrate | grep "\"status\":\"completed\""'
    qmp quit
    wait
    if test "$other" != none; then
        expect_fail qemu -machine "$other" -name other "$@" -incoming "file:$SCRATCH/state" | grep 'Machine type received'
    fi
    qemu -machine "$machine" -name target "$@" -incoming "file:$SCRATCH/state"
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
