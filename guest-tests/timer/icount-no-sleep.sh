#!/bin/sh
# With -icount sleep=off an idle guest's time jumps to its next timer, and a clock=vm RTC goes with it.
# Not on loongarch64, whose clock stops at a reset until a guest or firmware sets it.
#: except-arch = ["loongarch64"]
#: requires.kernel = ["RTC_CLASS"]
#: requires.accel = "tcg"
#: timeout = "30s"
#: start = "cold"

in_host() {
    qemu -icount shift=5,sleep=off -rtc base=2026-02-03T04:05:06,clock=vm
}

in_guest() {
    rtc=/sys/class/rtc/rtc0/since_epoch
    read -r up _ < /proc/uptime
    before=$(cat "$rtc")
    # Longer than the test may take: only the guest waits for it.
    sleep 1000
    after=$(cat "$rtc")
    read -r now _ < /proc/uptime
    echo "the RTC went by $((after - before)) s, the kernel's clock by $((${now%.*} - ${up%.*})) s"
    test $((${now%.*} - ${up%.*})) -ge 1000
    test $((after - before)) -ge 999
    test $((after - before)) -le 1100
}
