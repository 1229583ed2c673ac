#!/bin/sh
# The alarm of the real-time clock wakes a guest that suspended to RAM.
#: arch = ["x86_64"]
#: groups = ["acpi"]

in_host() {
    # At a wake-up QEMU writes an ELF kernel into memory again, over the sleeping one.
    qemu -kernel "$KILN_IMAGE/compressed" &
    wait_ready
    qmp_wait SUSPEND
    qmp_wait WAKEUP
    wait
}

in_guest() {
    rtcwake -u -s 3 -m mem
    # The alarm was used up.
    test -z "$(cat /sys/class/rtc/rtc0/wakealarm)"
}
