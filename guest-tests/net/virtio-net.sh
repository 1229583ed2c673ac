#!/bin/sh
# A virtio network card gets its address by DHCP and fetches a file from the host by HTTP.
#: requires.devices = ["virtio-net-pci"]
#: requires.netdevs = ["user"]

in_host() {
    mkdir "$SCRATCH/www"
    dd if=/dev/urandom of="$SCRATCH/www/data" bs=1024 count=1024 2> /dev/null
    (cd "$SCRATCH/www" && sha256sum data > sums)
    url=$(serve "$SCRATCH/www")
    qemu -append "url=$url" -netdev user,id=n0 -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:57
}

in_guest() {
    url=$(kernel_parameter url)
    test "$(cat /sys/class/net/eth0/address)" = 52:54:00:12:34:57
    udhcpc -i eth0 -f -n -q
    cd /tmp
    wget -q "$url/data" "$url/sums"
    sha256sum -c sums
}
