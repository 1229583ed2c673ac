#!/bin/sh
# Every card with a VLAN filter passes tagged frames of a VLAN that it joined, and receives none of a VLAN that it left.
#: groups = ["net"]
#: timeout = "90s"
#: choices.nic = { devices = ["virtio-net-pci", "e1000", "e1000e", "igb", "rtl8139", "vmxnet3"] }

in_host() {
    nics=$(offered nic)
    # shellcheck disable=SC2046,SC2086  # words
    qemu -append "cards=$(echo $nics | wc -w)" $(hub_of $nics)
}

in_guest() {
    peer=$(interface 52:54:00:00:00:10)
    cards=
    for number in $(seq "$(kernel_parameter cards)"); do
        cards="$cards $(interface "52:54:00:00:00:0$number")"
    done
    unshare -n sleep 600 &
    other=$!
    wait_for "test \$(readlink /proc/$other/ns/net) != $(readlink /proc/self/ns/net)"
    ip link set "$peer" netns "$other"
    in_peer sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
    in_peer ip link set "$peer" up
    for tag in 5 6; do
        in_peer vconfig add "$peer" $tag
        in_peer ip addr add "192.0.$tag.2/24" dev "$peer.$tag"
        in_peer ip link set "$peer.$tag" up
    done
    # An address of another VLAN that the peer does not have.
    in_peer ip addr add 192.0.254.2/24 dev "$peer.5"
    for card in $cards; do
        driver=$(basename "$(readlink "/sys/class/net/$card/device/driver")")
        echo 1 > "/proc/sys/net/ipv6/conf/$card/disable_ipv6"
        ip link set "$card" up
        for tag in 5 4094; do
            vconfig add "$card" $tag
            ip addr add "192.0.$((tag % 256)).1/24" dev "$card.$tag"
            ip link set "$card.$tag" up
        done
        # Both sides know all addresses, so that only the frames of the test are counted.
        arp -i "$card.5" -s 192.0.5.2 52:54:00:00:00:10
        arp -i "$card.4094" -s 192.0.254.2 52:54:00:00:00:10
        for tag in 5 6; do
            in_peer arp -i "$peer.$tag" -s "192.0.$tag.1" "$(cat "/sys/class/net/$card/address")"
        done
        wait_for "ping -c 1 -W 1 192.0.5.2" 20
        # With the tag, a frame of full length is four bytes longer.
        ping -c 2 -i 0.1 -s 1472 192.0.5.2
        # The answers have the tag: without it, the card itself would receive them.
        count=$(cat "/sys/class/net/$card.5/statistics/rx_packets")
        test "$count" -ge 3 || fail "$card ($driver): expected 3 frames in VLAN 5, found $count"
        if ping -c 1 -W 1 192.0.254.2; then
            fail "$card ($driver): expected no answer from VLAN 5 to a frame of VLAN 4094, found one"
        fi
        vconfig add "$card" 6
        expect 1 'of VLAN 6 after it joined' 6
        vconfig rem "$card.6"
        case $driver in
            8139* | e1000e) ;; # these drivers use no filter
            *) expect 0 'of VLAN 6 after it left' 6 ;;
        esac
        for tag in 5 4094; do
            vconfig rem "$card.$tag"
        done
        ip link set "$card" down
    done
    kill "$other"
}

# expect COUNT WHAT TAG: sends a frame with this tag, of which the card receives COUNT. A frame of VLAN 5 follows it.
expect() {
    before=$(received)
    send "$3"
    send 5
    wait_for "test \$(received) -ge $((before + $1 + 1))"
    count=$(($(received) - before - 1))
    test "$count" = "$1" || fail "$card ($driver): expected $1 frames $2, found $count"
}

# send TAG: sends a frame to the card.
send() {
    sent=$(sent_frames)
    in_peer ping -c 1 "192.0.$1.1" > /dev/null &
    wait_for "test \$(sent_frames) -gt $sent"
    kill "$!" 2> /dev/null || true
}

# The number of frames that the peer has sent.
sent_frames() {
    in_peer sed -n "s/^ *$peer: *//p" /proc/net/dev | awk '{ print $10 }'
}

# The number of frames that the card has received.
received() {
    cat "/sys/class/net/$card/statistics/rx_packets"
}

# in_peer COMMAND…: runs a command in the network of the peer.
in_peer() {
    nsenter -t "$other" -n "$@"
}
