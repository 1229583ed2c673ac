#!/bin/sh
# What comes over the control channel is no text, damaged, and 100 MB without an end.
#: requires.tools = ["bash"]

in_host() {
    qemu -name fault-raves
}
