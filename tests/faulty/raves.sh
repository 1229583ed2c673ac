#!/bin/sh
# The control channel carries binary data, damaged records, and 100 MB without a newline.
#: requires.tools = ["bash"]

in_host() {
    qemu -name fault-raves
}
