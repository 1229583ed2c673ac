#!/bin/sh
# A guest that keeps calling its host continues after a live migration, and its end counts there.
#: requires.migration = true
#: timeout = "60s"
#: groups = ["migration"]

in_host() {
    # QEMU 10.0 does not signal an interrupt that was pending to a pseries' processor again (XIVE and XICS, TCG), in one of 30 to
    # 120 migrations of a guest that uses a device all the time.
    case $KILN_ARCH in
    ppc64*) skip "QEMU may lose the interrupt that is pending in a pseries guest when it migrates" ;;
    esac
    qemu -name source &
    wait_ready -g source
    qemu -name target -incoming "unix:$SCRATCH/socket" &
    qmp -g target query-status | grep inmigrate
    qmp -g source migrate "uri=unix:$SCRATCH/socket"
    wait_ready -g target
    qmp -g source query-migrate | grep '"status":"completed"'
    wait
}

in_guest() {
    wait_for 'qmp query-name | grep target' 40
}
