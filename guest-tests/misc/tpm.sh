#!/bin/sh
# A TPM that swtpm emulates answers the kernel, gives random bytes and extends a register to the value that the hash says.
# Not on a pseries: there the driver of tpm-spapr gets through its handshake, and then makes no TPM of it.
#: arch = ["x86_64", "aarch64", "riscv64"]
#: requires.tools = ["swtpm"]
# Its log makes the ACPI tables of a PC longer than QEMU leaves room for above an initramfs, so here they are off.
#: choices.tpm.x86_64 = { devices = ["tpm-tis"] }
#: choices.tpm.aarch64 = { devices = ["tpm-tis-device"] }
#: choices.tpm.riscv64 = { devices = ["tpm-tis-device"] }

in_host() {
    tpm=$(choose tpm)
    mkdir "$SCRATCH/state"
    swtpm socket --tpm2 --tpmstate dir="$SCRATCH/state" --ctrl type=unixio,path="$SCRATCH/tpm" --flags startup-clear &
    wait_for "test -S $SCRATCH/tpm"
    test "$KILN_ARCH" != x86_64 || set -- -machine acpi=off -append tpm_tis.force=1
    qemu "$@" -chardev socket,id=tpm,path="$SCRATCH/tpm" -tpmdev emulator,id=t0,chardev=tpm -device "$tpm,tpmdev=t0"
}

# ask HEX: sends a command to the TPM and prints its answer, both in hexadecimal.
ask() {
    exec 3<> /dev/tpm0
    echo "$1" | xxd -r -p | dd bs=4096 iflag=fullblock 2> /dev/null >&3
    dd bs=4096 count=1 <&3 2> /dev/null | xxd -p | tr -d '\n'
    exec 3>&-
}

in_guest() {
    wait_for "test -c /dev/tpm0"
    # TPM2_GetRandom, 16 bytes of it; twice not the same.
    first=$(ask 80010000000c0000017b0010)
    case $first in
        80010000001c000000000010*) ;;
        *) fail "TPM2_GetRandom gave $first" ;;
    esac
    test "$first" != "$(ask 80010000000c0000017b0010)"

    # TPM2_PCR_Extend of register 16 with a SHA-256 of ones, after TPM2_PCR_Reset of it.
    session=00000009400000090000000000
    ask "80020000001b0000013d00000010$session" | grep -q '^8002........00000000'
    ones=$(printf '11%.0s' $(seq 32))
    ask "8002000000410000018200000010$session""00000001000b$ones" | grep -q '^8002........00000000'
    expected=$( (printf '00%.0s' $(seq 32); echo "$ones") | xxd -r -p | sha256sum | head -c 64)
    # TPM2_PCR_Read of register 16 in the bank of SHA-256.
    ask 8001000000140000017e00000001000b03000001 | grep -q "$expected"
}
