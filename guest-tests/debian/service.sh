#!/bin/sh
# A unit of a test runs, and the journal has its output.
#: arch = ["aarch64", "x86_64"]
#: debian.packages = []

in_guest() {
    systemd-run --quiet --wait --unit=greeting echo 'hello from a unit'
    wait_for "journalctl --no-pager --unit=greeting --output=cat | grep -qx 'hello from a unit'"
    ! systemd-run --quiet --wait --unit=failure false || fail 'expected the unit to fail'
    test "$(systemctl is-failed failure)" = failed
}
