#!/bin/sh
# The kernel can use each clock source of the machine, and time advances with it.
#: start = "cold"

in_host() {
    case $KILN_ARCH in
        x86_64) qemu -machine "hpet=$(choose hpet on off)" ;;
        *) qemu ;;
    esac
}

in_guest() {
    cd /sys/devices/system/clocksource/clocksource0
    sources=$(cat available_clocksource)
    echo "$sources"
    case $KILN_ARCH in
        x86_64)
            echo "$sources" | grep -qw acpi_pm
            # On a busy host its measured frequency is too low, and the clock would be too fast.
            ! echo "$sources" | grep -qw tsc || fail "the time-stamp counter is a clock source"
            if test "$(choose hpet on off)" = on; then
                echo "$sources" | grep -qw hpet
            else
                ! echo "$sources" | grep -qw hpet || fail "the guest has an HPET that is off"
            fi
            ;;
        aarch64) echo "$sources" | grep -qw arch_sys_counter ;;
        riscv*) echo "$sources" | grep -qw riscv_clocksource ;;
        ppc*) echo "$sources" | grep -qw timebase ;;
    esac
    for source in $sources; do
        # These only bridge the start, until a real one is known.
        case $source in *jiffies | tsc-early) continue ;; esac
        echo "$source" > current_clocksource
        test "$(cat current_clocksource)" = "$source"
        read -r before _ < /proc/uptime
        usleep 50000
        read -r after _ < /proc/uptime
        test "$(echo "$after" | tr -d .)" -gt "$(echo "$before" | tr -d .)"
    done
}
