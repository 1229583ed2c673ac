#!/bin/sh
# Needs a device that no QEMU has.
#: requires.devices = ["perpetual-motion-pci"]

in_guest() {
    true
}
