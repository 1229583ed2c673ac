#!/bin/sh
# Every network card gets its address by DHCP, answers pings and carries a megabyte unharmed in both directions.
#: groups = ["net"]
#: requires.netdevs = ["user"]
#: choices.nic.default = { devices = [
#:     "e1000", "e1000-82544gc", "e1000-82545em", "e1000e", "igb", "vmxnet3", "rtl8139", "ne2k_pci", "pcnet", "tulip",
#:     "i82550", "i82551", "i82557a", "i82557b", "i82557c", "i82558a", "i82558b", "i82559a", "i82559b", "i82559c",
#:     "i82559er", "i82562", "i82801", "usb-net",
#:     "virtio-net-pci", "virtio-net-pci-transitional", "virtio-net-pci-non-transitional",
#: ] }
#: choices.nic.s390x = { devices = ["virtio-net-ccw", "virtio-net-pci"] }
# No vmxnet3 where a page has 64 KiB: its driver is not for that. No i82557 on a big-endian processor: e100, its Linux driver, stores
# the address of a descriptor array in the processor's byte order, and of these cards only the i82557 reads it.
#: choices.nic.ppc64 = { devices = [
#:     "e1000", "e1000-82544gc", "e1000-82545em", "e1000e", "igb", "rtl8139", "ne2k_pci", "pcnet", "tulip", "sungem",
#:     "i82550", "i82551", "i82558a", "i82558b", "i82559a", "i82559b", "i82559c",
#:     "i82559er", "i82562", "i82801", "usb-net", "spapr-vlan",
#:     "virtio-net-pci", "virtio-net-pci-transitional", "virtio-net-pci-non-transitional",
#: ] }
#: choices.nic.ppc64le = { devices = [
#:     "e1000", "e1000-82544gc", "e1000-82545em", "e1000e", "igb", "rtl8139", "ne2k_pci", "pcnet", "tulip", "sungem",
#:     "i82550", "i82551", "i82557a", "i82557b", "i82557c", "i82558a", "i82558b", "i82559a", "i82559b", "i82559c",
#:     "i82559er", "i82562", "i82801", "usb-net", "spapr-vlan",
#:     "virtio-net-pci", "virtio-net-pci-transitional", "virtio-net-pci-non-transitional",
#: ] }

in_host() {
    nic=$(choose nic)
    case $nic in
        usb-net) set -- -device qemu-xhci ;;
        # With QEMU's XIVE, its line stays dead once the driver has disabled it for a while; with XICS it does not.
        ne2k_pci) test "$KILN_MACHINE" != pseries || set -- -machine ic-mode=xics ;;
    esac
    # Not an address of local administration (52:54:…): the usb-net of older QEMUs uses it as it is, and Linux names such a card usb0.
    qemu -append "nic=$nic" "$@" -netdev user,id=n0,hostfwd=tcp:127.0.0.1:0-:80 \
        -device "$nic,netdev=n0,mac=50:54:00:12:34:57"
}

in_guest() {
    nic=$(kernel_parameter nic)
    # The driver of i82550, i82551 and i82562 insists on microcode, which the emulated cards take and ignore.
    mkdir -p /lib/firmware/e100
    truncate -s 539 /lib/firmware/e100/d102e_ucode.bin
    wait_for "test -d /sys/class/net/eth0"
    test "$(cat /sys/class/net/eth0/address)" = 50:54:00:12:34:57 || test "$nic" = usb-net ||
        test "$nic" = sungem # on a pseries its driver asks the firmware for the address
    ip link set eth0 up
    udhcpc -i eth0 -f -n -q
    ping -c 2 -i 0.1 -s 1400 10.0.2.2

    # What the guest serves goes out to the host and comes back in by the host's end of a forwarded port.
    mkdir /tmp/www
    seq 200000 | head -c 1048576 > /tmp/www/data
    httpd -h /tmp/www
    port=$(hmp 'info usernet' | awk '/HOST_FORWARD/ { print $4 }')
    wget -q -O /tmp/back "http://10.0.2.2:$port/data"
    cmp /tmp/www/data /tmp/back
}
