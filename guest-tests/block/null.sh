#!/bin/sh
# A null disk of any size reads as zeros and forgets what is written to it.
#: requires.devices = ["virtio-blk-pci"]
#: choices.driver = ["null-co", "null-aio"]

in_host() {
    driver=$(choose driver)
    qemu -blockdev "driver=$driver,node-name=disk,size=8796093022208,read-zeroes=on" -device virtio-blk-pci,drive=disk
}

in_guest() {
    test "$(blockdev --getsize64 /dev/vda)" = 8796093022208
    # Near its end: sector numbers of more than 32 bits.
    put_pattern 1 /dev/vda 8388607
    echo 3 > /proc/sys/vm/drop_caches
    test "$(dd if=/dev/vda bs=1M skip=8388607 | wc -c)" = 1048576
    test "$(dd if=/dev/vda bs=1M skip=8388607 | tr -d '\0' | wc -c)" = 0
}
