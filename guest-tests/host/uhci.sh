#!/bin/sh
# The host's lspci and lsusb list the UHCI controller of the PIIX3 and a tablet behind it.
#: arch = ["x86_64"]
#: machine = "pc"
#: host.programs = ["lspci", "lsusb"]
#: host.modules = ["uhci_hcd"]
#: requires.devices = ["usb-tablet"]
#: filter = ['s/(ID [0-9a-f]{4}:[0-9a-f]{4}).*/\1/']

in_host() {
    qemu -usb -device usb-tablet
}

in_guest() {
    wait_for "lsusb | grep 'Device 002'"
    lspci -n -s 1.2
    lsusb | sort
}
