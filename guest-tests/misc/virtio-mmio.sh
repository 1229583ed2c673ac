#!/bin/sh
# Virtio devices work without PCI: through the registers of virtio-mmio, of its old version and its new.
#: groups = ["virtio"]
#: arch = ["aarch64", "m68k", "or1k", "riscv32", "riscv64", "x86_64"]
#: machine.x86_64 = "microvm"
#: requires.devices = ["virtio-blk-device", "virtio-rng-device", "virtio-net-device", "virtio-9p-device"]
#: requires.netdevs = ["user"]

in_host() {
    seq 3000 > "$SCRATCH/blob"
    truncate -s 1M "$SCRATCH/disk"
    # The first transport: the fifth of microvm shares its interrupt with the clock, which does not share.
    legacy=$(choose legacy on off)
    qemu -global virtio-mmio.force-legacy="$legacy" -netdev user,id=n0 -device virtio-net-device,netdev=n0 -device virtio-rng-device \
        -drive if=none,id=d0,file="$SCRATCH/disk",format=raw -device virtio-blk-device,drive=d0 \
        -fsdev local,id=share,path="$SCRATCH",security_model=none,readonly=on \
        -device virtio-9p-device,bus=virtio-mmio-bus.0,fsdev=share,mount_tag=share
    test "$(head -c 4 "$SCRATCH/disk")" = kiln
}

in_guest() {
    case $(readlink -f /sys/block/vda/device) in
        */pci*) fail "the disk is behind PCI" ;;
    esac
    printf kiln | dd of=/dev/vda conv=fsync
    mount -t 9p -o trans=virtio,version=9p2000.L share /mnt
    seq 3000 | cmp - /mnt/blob
    umount /mnt
    test "$(dd if=/dev/hwrng bs=16 count=1 | wc -c)" = 16
    ip link set eth0 up
    udhcpc -i eth0 -f -n -q
    ping -c 1 10.0.2.2
}
