#!/bin/sh
# A guest that was migrated to a file continues in a QEMU that is started from it.
#: requires.migration = true
#: timeout = "60s"
#: groups = ["migration"]
#: requires.qemu = "8.2"

in_host() {
    qemu -name source &
    wait_ready
    qmp migrate "uri=file:$SCRATCH/state"
    qmp_wait STOP
    wait_for 'qmp query-migrate | grep "\"status\":\"completed\""'
    qmp quit
    wait
    qemu -name target -incoming "file:$SCRATCH/state"
}

in_guest() {
    wait_for 'qmp query-name | grep target' 40
}
