#!/bin/sh
# The memory of a CXL expander is read and written through a region of the fixed window.
#: arch = ["x86_64"]
#: requires.devices = ["cxl-type3", "pxb-cxl"]
#: requires.qemu = "8.1"
#: start = "cold"

in_host() {
    # Linux refuses to commit a region under a hypervisor, where it cannot flush the caches.
    qemu -cpu qemu64,hypervisor=off -machine q35,cxl=on,cxl-fmw.0.targets.0=cxl0,cxl-fmw.0.size=1G \
        -object memory-backend-file,id=ram0,size=256M,share=on,mem-path="$SCRATCH/ram" \
        -device pxb-cxl,id=cxl0,bus=pcie.0,bus_nr=12 -device cxl-rp,id=port0,bus=cxl0,chassis=0,slot=2 \
        -device cxl-type3,bus=port0,volatile-memdev=ram0,id=mem0
    test "$(dd if="$SCRATCH/ram" bs=4 count=1)" = KILN
    test "$(dd if="$SCRATCH/ram" bs=64K skip=4095 count=1 | tail -c 4)" = LAST
}

in_guest() {
    cxl=/sys/bus/cxl/devices
    test "$(cat $cxl/mem0/ram/size)" = 0x10000000
    test "$(cat $cxl/mem0/pmem/size)" = 0x0
    test "$(cat $cxl/decoder0.0/size)" = 0x40000000

    # Decoder 0.0 is the window, 1.0 the host bridge's, 2.0 the expander's.
    echo ram > $cxl/decoder2.0/mode
    echo 0x10000000 > $cxl/decoder2.0/dpa_size
    region=$(cat $cxl/decoder0.0/create_ram_region)
    echo "$region" > $cxl/decoder0.0/create_ram_region
    echo 256 > "$cxl/$region/interleave_granularity"
    echo 1 > "$cxl/$region/interleave_ways"
    echo 0x10000000 > "$cxl/$region/size"
    echo decoder2.0 > "$cxl/$region/target0"
    echo 1 > "$cxl/$region/commit"
    test "$(cat "$cxl/$region/commit")" = 1
    test "$(cat $cxl/decoder2.0/size)" = 0x10000000

    address=$(cat "$cxl/$region/resource")
    poke "$address" 32 0x4e4c494b
    poke $((address + 0x0ffffffc)) 32 0x5453414c
    test "$(peek "$address" 32)" = 0x4e4c494b
    test "$(peek $((address + 0x0ffffffc)) 32)" = 0x5453414c
}
