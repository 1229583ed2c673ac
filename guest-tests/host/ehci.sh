#!/bin/sh
# The host's lspci and lsusb list the EHCI controller of the ICH9 with its three UHCI companions.
#: arch = ["x86_64"]
#: host.programs = ["lspci", "lsusb"]
#: host.modules = ["ehci_pci", "uhci_hcd"]
#: requires.devices = ["ich9-usb-ehci1", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3"]
#: filter = ['s/(ID [0-9a-f]{4}:[0-9a-f]{4}).*/\1/']

in_host() {
    qemu -device ich9-usb-ehci1,id=usb,addr=1d.7,multifunction=on \
        -device ich9-usb-uhci1,masterbus=usb.0,firstport=0,addr=1d.0,multifunction=on \
        -device ich9-usb-uhci2,masterbus=usb.0,firstport=2,addr=1d.1,multifunction=on \
        -device ich9-usb-uhci3,masterbus=usb.0,firstport=4,addr=1d.2,multifunction=on
}

in_guest() {
    wait_for "lsusb | grep 'Bus 004'"
    lspci -n -s 1d
    lsusb | sed 's/^Bus [0-9]* //' | sort
}
