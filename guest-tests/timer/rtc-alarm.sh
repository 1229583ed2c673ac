#!/bin/sh
# The alarm of the real-time clock interrupts at the time it is set to, once.
#: arch = ["x86_64", "aarch64"]
#: start = "cold"

# interrupts: how often the clock's line was raised.
interrupts() {
    awk '/rtc/ { print $2; exit }' /proc/interrupts
}

# raised: the line was raised for the alarm. With an HPET, Linux emulates the clock's interrupts, also periodic ones.
raised() {
    if grep -q hpet /sys/devices/system/clocksource/clocksource0/available_clocksource; then
        test "$(interrupts)" -gt "$before"
    else
        test "$(interrupts)" = $((before + 1))
    fi
}

in_guest() {
    cd /sys/class/rtc/rtc0
    before=$(interrupts)
    alarm=$(($(cat since_epoch) + 2))
    echo "$alarm" > wakealarm
    test "$(cat wakealarm)" = "$alarm"
    wait_for "test \$(cat since_epoch) -ge $alarm"
    wait_for "test -z \"\$(cat wakealarm)\""
    raised
}
