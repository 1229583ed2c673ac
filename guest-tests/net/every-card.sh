#!/bin/sh
# Each network card with code of its own gets an address by DHCP and carries a file unchanged in both directions.
#: groups = ["net"]
#: timeout = "120s"
#: requires.netdevs = ["user"]
#: choices.nic = { devices = ["virtio-net-pci", "e1000", "e1000e", "igb", "rtl8139", "ne2k_pci", "pcnet", "tulip", "i82559c", "vmxnet3", "sungem", "spapr-vlan", "usb-net"] }

in_host() {
    # With QEMU's XIVE, the line of ne2k_pci stays dead once the driver has disabled it for a while; with XICS it does not.
    test "$KILN_MACHINE" != pseries || set -- -machine ic-mode=xics
    number=0
    for nic in $(offered nic); do
        number=$((number + 1))
        test "$nic" != usb-net || set -- "$@" -device qemu-xhci
        set -- "$@" -netdev "user,id=n$number,net=10.0.$number.0/24,hostfwd=tcp:127.0.0.1:0-10.0.$number.15:80" \
            -device "$nic,netdev=n$number"
    done
    qemu -append "cards=$number" "$@"
}

in_guest() {
    mkdir /tmp/www
    seq 200000 | head -c 262144 > /tmp/www/data
    httpd -h /tmp/www
    wait_for "test \$(ls -d /sys/class/net/*/device | wc -l) = $(kernel_parameter cards)" 20
    for device in /sys/class/net/*/device; do
        card=$(basename "${device%/device}")
        driver=$(basename "$(readlink "$device/driver")")
        ip link set "$card" up
        udhcpc -i "$card" -f -n -q || fail "$card ($driver): expected an address by DHCP, found none"
        address=$(ip -4 addr show dev "$card" | sed -n 's,.* inet \(.*\)/24.*,\1,p')
        host=${address%.*}.2
        ping -c 2 -i 0.1 -s 1400 "$host" || fail "$card ($driver): expected answers from $host, found none"
        # The host forwards the connection to the card, so the file leaves through the card and comes back.
        port=$(hmp 'info usernet' | awk -v address="$address" '/HOST_FORWARD/ && $5 == address { print $4 }')
        wget -q -O /tmp/back "http://$host:$port/data" || fail "$card ($driver): expected a file from port $port, found none"
        cmp /tmp/www/data /tmp/back
        ip link set "$card" down
    done
}
