#!/bin/sh
# A network card plugged into a running guest gets an address and fetches a file, goes, and another one takes its place.
#: slots = 1
#: timeout = "60s"
#: groups = ["hotplug"]
#: requires.netdevs = ["user"]
#: requires.devices = ["virtio-net-pci", "e1000e", "e1000", "rtl8139"]

in_host() {
    mkdir "$SCRATCH/www"
    dd if=/dev/urandom of="$SCRATCH/www/data" bs=1024 count=256 2> /dev/null
    (cd "$SCRATCH/www" && sha256sum data > sums)
    url=$(serve "$SCRATCH/www")
    qemu -append "url=$url" -netdev user,id=n0
}

in_guest() {
    url=$(kernel_parameter url)
    nic=$(choose nic virtio-net-pci e1000e e1000 rtl8139)
    for round in 1 2; do
        card=$(plug "$nic" netdev=n0 mac="52:54:00:00:00:0$round")
        wait_for "ls -d /sys/class/net/eth*"
        interface=$(basename /sys/class/net/eth*)
        test "$(cat "/sys/class/net/$interface/address")" = "52:54:00:00:00:0$round"
        udhcpc -i "$interface" -f -n -q
        cd /tmp
        wget -q -O data "$url/data"
        wget -q -O sums "$url/sums"
        sha256sum -c sums
        test "$round" = 1 || break
        unplug "$card"
        test ! -e "/sys/class/net/$interface"
    done
}
