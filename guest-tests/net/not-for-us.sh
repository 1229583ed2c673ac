#!/bin/sh
# A card receives the multicast groups that it joined, but no other group and no other station's frames unless it is promiscuous.
#: groups = ["net"]
#: timeout = "90s"
#: choices.nic = { devices = ["virtio-net-pci", "e1000", "e1000e", "igb", "rtl8139", "pcnet", "tulip", "vmxnet3"] }

in_host() {
    nics=$(offered nic)
    # shellcheck disable=SC2046,SC2086  # words
    qemu -append "cards=$(echo $nics | wc -w)" $(hub_of $nics)
}

in_guest() {
    sender=$(interface 52:54:00:00:00:10)
    cards=
    for number in $(seq "$(kernel_parameter cards)"); do
        cards="$cards $(interface "52:54:00:00:00:0$number")"
    done
    # The sender sends nothing but these frames. The first is of the group that the cards join; the others have neither its hash
    # nor that of another group that a card joins by itself.
    echo 1 > "/proc/sys/net/ipv6/conf/$sender/disable_ipv6"
    ip addr add 192.0.2.1/24 dev "$sender"
    ip link set "$sender" up
    arp -i "$sender" -s 192.0.2.10 33:33:ff:ab:cd:ef
    arp -i "$sender" -s 192.0.2.11 33:33:ff:77:77:88
    arp -i "$sender" -s 192.0.2.12 52:54:00:00:00:99
    for card in $cards; do
        driver=$(basename "$(readlink "/sys/class/net/$card/device/driver")")
        echo 0 > "/proc/sys/net/ipv6/conf/$card/accept_dad"
        ip link set "$card" up
        # The card joins the group of the last 24 bits.
        ip -6 addr add fd00::ab:cdef/64 dev "$card"
        wait_for "test \$(cat /sys/class/net/$card/carrier) = 1"
        arp -i "$sender" -s 192.0.2.20 "$(cat "/sys/class/net/$card/address")"
        wait_for "send 1 20 56; test \$(received packets) -gt 0" 20
        mark
        expect 0 'of another group' 11
        expect 0 'of another station' 12
        ip link set "$card" promisc on
        expect 3 'of another station in promiscuous mode' 12
        ip link set "$card" promisc off
        expect 0 'of another station after promiscuous mode' 12
        expect 3 'of its group' 10
        ip -6 addr del fd00::ab:cdef/64 dev "$card"
        expect 0 'of a group that it left' 10
        ip link set "$card" down
    done
}

# expect COUNT WHAT HOST: sends three frames to HOST and expects COUNT of them to reach the card.
expect() {
    before=$(received packets)
    send 3 "$3" 56
    mark
    count=$(($(received packets) - before - 1))
    test "$count" = "$1" || fail "$card ($driver): expected $1 frames $2, found $count"
}

# mark: sends a long frame to the card, and waits until the card has received it and so all earlier ones.
mark() {
    start=$(received bytes)
    send 1 20 1000
    wait_for "test \$(received bytes) -ge $((start + 1000))"
}

# send COUNT HOST SIZE: sends frames to a host; none is answered.
send() {
    sent=$(cat "/sys/class/net/$sender/statistics/tx_packets")
    ping -c "$1" -s "$3" -i 0.02 "192.0.2.$2" > /dev/null &
    wait_for "test \$(cat /sys/class/net/$sender/statistics/tx_packets) -ge $((sent + $1))"
    kill "$!" 2> /dev/null || true
}

# received bytes|packets: what the card has received.
received() {
    cat "/sys/class/net/$card/statistics/rx_$1"
}
