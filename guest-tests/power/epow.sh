#!/bin/sh
# A power-down request through QEMU's monitor reaches a pseries guest as an EPOW event, and its kernel acts on it.
#: arch = ["ppc64", "ppc64le"]

in_guest() {
    printf '#!/bin/sh\necho asked > /tmp/asked\n' > /tmp/poweroff
    chmod +x /tmp/poweroff
    echo /tmp/poweroff > /proc/sys/kernel/poweroff_cmd
    qmp system_powerdown
    wait_for "test -s /tmp/asked"
}
