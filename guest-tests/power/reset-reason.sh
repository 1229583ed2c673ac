#!/bin/sh
# QEMU says of each reset who asked for it: the guest, or its own monitor.
#: reboots = 2

in_guest() {
    case $BOOTS in
        0) leave reboot ;;
        1)
            qmp_wait RESET guest=true reason=guest-reset
            qmp system_reset
            sleep 3600
            ;;
        2) qmp_wait RESET guest=false reason=host-qmp-system-reset ;;
    esac
}
