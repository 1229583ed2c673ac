#!/bin/sh
# What a guest sees of a pc-q35 differs from one version of the machine to the next in what is listed here, and nothing else.
#: arch = ["x86_64"]
#: groups = ["fingerprint"]
#: slow = true
#: timeout = "60s"
#: requires.qemu = "10.0"

in_host() {
    before=
    for version in 7.2 8.0 8.1 8.2 9.0 9.1 9.2 10.0; do
        qemu -machine "pc-q35-$version,sata=on,smbus=on,hpet=on,vmport=auto" -append "version=$version" -audiodev none,id=a0 \
            -netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,addr=3 -device virtio-balloon-pci,addr=4 \
            -device virtio-scsi-pci,addr=5 -device e1000e,addr=6 -device nvme,serial=kiln,addr=7 -device qemu-xhci,addr=8 \
            -device VGA,addr=9 -device intel-hda,addr=a
        await "version-$version" > "$SCRATCH/$version"
        test -s "$SCRATCH/$version"
        test -z "$before" || {
            echo "from $before to $version:"
            diff "$SCRATCH/$before" "$SCRATCH/$version" | grep '^[<>]' || true
        }
        before=$version
    done
}

in_guest() {
    version=$(sed 's/.*version=\([^ ]*\).*/\1/' /proc/cmdline)
    {
        pci_functions
        virtio_features
        acpi_tables
        processor
    } > /tmp/seen
    post "version-$version" "$(cat /tmp/seen)"
}
