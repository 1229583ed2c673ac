#!/bin/sh
# A virtio-crypto device offers its cipher to the kernel until it is unplugged.
#: requires.kernel = ["CRYPTO_DEV_VIRTIO"]
#: requires.devices = ["virtio-crypto-pci"]
#: slots = 1

in_host() {
    qemu -object cryptodev-backend-builtin,id=crypto0
}

in_guest() {
    if grep virtio_crypto /proc/crypto; then fail "the kernel has a cipher of a device that is not plugged"; fi
    device=$(plug virtio-crypto-pci cryptodev=crypto0)
    wait_for "grep -q 'driver.*: virtio_crypto_aes_cbc' /proc/crypto"
    # The kernel prefers the device to its own implementation: 100 is that of cbc(aes) in software.
    grep -A 3 'driver.*: virtio_crypto_aes_cbc' /proc/crypto | grep 'priority *: 150'
    # One key length in bytes per size of AES, and the block size.
    grep -A 12 'driver.*: virtio_crypto_aes_cbc' /proc/crypto | grep 'min keysize *: 16'
    grep -A 12 'driver.*: virtio_crypto_aes_cbc' /proc/crypto | grep 'max keysize *: 32'
    # QEMU keeps the backend while a device uses it.
    if qmp object-del id=crypto0; then fail "the backend of a device was deleted"; fi
    unplug "$device"
    wait_for "! grep -q virtio_crypto /proc/crypto"
    qmp object-del id=crypto0
}
