#!/bin/sh
# A virtio network card keeps its receive filters, its mode and its link state in a migration.
#: requires.migration = true
#: groups = ["net"]
#: requires.devices = ["virtio-net-pci"]
#: timeout = "60s"

in_host() {
    set -- -netdev hubport,id=p1,hubid=0 -netdev hubport,id=p2,hubid=0 \
        -device "virtio-net-$KILN_VIRTIO,netdev=p1,id=nic,mac=52:54:00:00:00:01" \
        -device "virtio-net-$KILN_VIRTIO,netdev=p2,mac=52:54:00:00:00:02"
    qemu -name source "$@" &
    source=$!
    wait_ready -g source
    await filtered 60
    qmp -g source set_link name=nic up=false
    await down 60
    filters source
    qemu -name destination "$@" -incoming "unix:$SCRATCH/socket" &
    destination=$!
    # No card announces itself, so that only the frames of the test arrive.
    qmp -g destination migrate-set-parameters announce-rounds=0
    qmp -g source migrate uri="unix:$SCRATCH/socket"
    wait_ready -g destination
    filters destination
    changed=$(diff "$SCRATCH/source" "$SCRATCH/destination") ||
        fail "expected the same filters after the migration, found $(echo "$changed" | head -n 4)"
    post moved
    qmp -g source quit
    await silent 60
    qmp -g destination set_link name=nic up=true
    wait "$source"
    wait "$destination"
}

# filters GUEST: writes what QEMU shows of the card's filters to a file with this name, one value per line.
filters() {
    qmp -g "$1" query-rx-filter name=nic | tr ',' '\n' > "$SCRATCH/$1"
    # QEMU 7 lets every VLAN pass after a migration. The VLANs are the last values.
    if qmp -g "$1" query-version | grep -q '"major":7'; then
        sed -i '/"vlan"/,$d' "$SCRATCH/$1"
    fi
}

in_guest() {
    card=$(interface 52:54:00:00:00:01)
    sender=$(interface 52:54:00:00:00:02)
    echo 1 > "/proc/sys/net/ipv6/conf/$sender/disable_ipv6"
    echo 0 > "/proc/sys/net/ipv6/conf/$card/accept_dad"
    ip addr add 192.0.2.2/24 dev "$sender"
    arp -i "$sender" -s 192.0.2.1 52:54:00:00:00:01
    arp -i "$sender" -s 192.0.2.3 33:33:ff:77:77:88
    ip link set "$sender" up
    ip link set "$card" up
    # It joins a group, and leaves a VLAN.
    ip -6 addr add fd00::ab:cdef/64 dev "$card"
    vconfig add "$card" 5
    vconfig rem "$card.5"
    wait_for "qmp query-rx-filter name=nic | grep -q 33:33:ff:ab:cd:ef"
    wait_for "! qmp query-rx-filter name=nic | grep -q '[[,]5[],]'"
    post filtered
    wait_for "test \$(cat /sys/class/net/$card/carrier) = 0"
    post down
    await moved
    test "$(cat "/sys/class/net/$card/carrier")" = 0
    before=$(received)
    send 1
    found=$(($(received) - before))
    test "$found" = 0 || fail "expected no frame while the link is down, found $found"
    post silent
    wait_for "test \$(cat /sys/class/net/$card/carrier) = 1"
    before=$(received)
    # The frame of another group does not arrive; the one behind it does.
    send 3
    send 1
    wait_for "test \$(received) -gt $before"
    found=$(($(received) - before))
    test "$found" = 1 || fail "expected 1 frame after the migration, found $found"
}

# send HOST: sends a frame to the host with this number.
send() {
    sent=$(cat "/sys/class/net/$sender/statistics/tx_packets")
    ping -c 1 "192.0.2.$1" > /dev/null &
    wait_for "test \$(cat /sys/class/net/$sender/statistics/tx_packets) -gt $sent"
    kill "$!" 2> /dev/null || true
}

received() {
    cat "/sys/class/net/$card/statistics/rx_packets"
}
