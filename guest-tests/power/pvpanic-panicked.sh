#!/bin/sh
# A guest whose pvpanic device says that it panicked is stopped or left running, as QEMU was told.
#: requires.devices = ["pvpanic-pci"]
#: ends = "panic"

in_host() {
    case $(choose action none pause) in
        none) action=run ;;
        pause) action=pause ;;
    esac
    qemu -device pvpanic-pci -action "panic=$(choose action none pause)" &
    qmp_wait GUEST_PANICKED "action=$action"
    wait "$!"
}

in_guest() {
    # shellcheck disable=SC2144 # there is one such device
    cd /sys/bus/pci/drivers/pvpanic-pci/*:*
    read -r base _ < resource
    kiln-call leave panic
    devmem "$base" 8 1
    sleep 3600
}
