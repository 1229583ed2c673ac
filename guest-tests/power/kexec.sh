#!/bin/sh
# A kernel that another kernel started finds the devices and the memory of the machine again.
#: arch = ["x86_64"]
#: requires.devices = ["virtio-9p-pci"]
#: host.programs = ["kexec.c"]
#: reboots = 1
#: start = "cold"
#: scratch = ["1M"]

in_host() {
    qemu -fsdev local,id=image,path="$KILN_IMAGE",security_model=none,readonly=on -device virtio-9p-pci,fsdev=image,mount_tag=image
}

in_guest() {
    memory=$(sed -n 's/^MemTotal: *\([0-9]*\)....kB/\1/p' /proc/meminfo)
    if test "$BOOTS" = 0; then
        echo "$memory" | dd of=/dev/vda conv=fsync
        mount -t 9p -o ro,trans=virtio image /mnt
        announce reboot
        kexec /mnt/compressed /mnt/initramfs.cpio "$(cat /proc/cmdline) kexeced"
    fi
    grep -w kexeced /proc/cmdline
    test "$(head -n 1 /dev/vda)" = "$memory"
    ! qmp_wait RESET --timeout 0
}
