#!/bin/sh
# The last messages before a reboot are in the error record storage after it.
#: arch = ["x86_64"]
#: requires.devices = ["acpi-erst"]
#: reboots = 1
#: append = "printk.always_kmsg_dump=1"

in_host() {
    qemu -object memory-backend-file,id=erst,size=1M,share=on,mem-path="$SCRATCH/erst" -device acpi-erst,memdev=erst
}

in_guest() {
    mkdir -p /tmp/pstore
    mount -t pstore pstore /tmp/pstore
    if test "$BOOTS" = 0; then
        test "$(ls /tmp/pstore)" = ""
        echo "<1>written before the reboot" > /dev/kmsg
        leave reboot
    fi
    cat /tmp/pstore/dmesg-erst-* > /tmp/records
    grep -x 'Shutdown#1 Part1' /tmp/records
    grep 'written before the reboot' /tmp/records
    # The device clears a record that the kernel removes.
    rm /tmp/pstore/dmesg-erst-*
    umount /tmp/pstore
    mount -t pstore pstore /tmp/pstore
    test "$(ls /tmp/pstore)" = ""
}
