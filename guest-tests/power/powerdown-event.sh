#!/bin/sh
# A guest that ignores a power-down request keeps running, and QEMU reports the request.
# Not on s390x, where the request arrives as Ctrl-Alt-Delete, which the init process obeys.
#: except-arch = ["s390x"]

in_guest() {
    # Where the kernel would act by itself, it finds nothing to call.
    test ! -e /proc/sys/kernel/poweroff_cmd || echo /bin/true > /proc/sys/kernel/poweroff_cmd
    qmp system_powerdown
    qmp_wait POWERDOWN
    qmp query-status | grep -q '"status":"running"'
}
