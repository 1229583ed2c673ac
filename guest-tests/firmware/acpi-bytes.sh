#!/bin/sh
# `acpi_table` gives the bytes of a table as QEMU made it: the kernel has the same, but for the firmware's checksum.
#: arch = ["x86_64"]
#: start = "cold"

in_guest() {
    acpi_table DSDT > /tmp/made
    test "$(wc -c < /tmp/made)" = "$(wc -c < /sys/firmware/acpi/tables/DSDT)"
    tail -c +11 /tmp/made > /tmp/made-rest
    tail -c +11 /sys/firmware/acpi/tables/DSDT | cmp - /tmp/made-rest
    ! (acpi_table NONE)
}
