#!/bin/sh
# A sanitizer ends a QEMU that was expected to refuse its options.

in_host() {
    expect_fail qemu -name fault-sanitizer
}
