#!/bin/sh
# A guest boots on each processor that QEMU models, and sees the one that was asked for.
# Not `max` of riscv32: the kernel restarts before its first line (QEMU 10.0.2).
# Not `P5600` of mips: the kernel starts no program (ENOEXEC), probably because the processor has the NaN encoding of 2008 and the programs have the older one.
# Not on MicroBlaze, whose only processor QEMU does not list.
#: except-arch = ["microblaze", "microblazeel"]
#: start = "cold"
#: choices.cpu.x86_64 = { cpus = ["qemu64", "kvm64", "max", "Nehalem", "Haswell", "Skylake-Client", "Cascadelake-Server", "Icelake-Server", "SapphireRapids", "Opteron_G5", "EPYC", "EPYC-Milan", "EPYC-Genoa", "Denverton", "core2duo"] }
#: choices.cpu.aarch64 = { cpus = ["max", "cortex-a35", "cortex-a53", "cortex-a55", "cortex-a57", "cortex-a72", "cortex-a76", "cortex-a710", "neoverse-n1", "neoverse-n2", "neoverse-v1", "a64fx"] }
#: choices.cpu.riscv64 = { cpus = ["rv64", "max", "rva22s64", "rva23s64", "sifive-u54", "thead-c906", "veyron-v1", "tt-ascalon"] }
#: choices.cpu.m68k = ["m68040"]
# QEMU does not report its models of or1k.
#: choices.cpu.or1k = ["or1200", "any"]
#: choices.cpu.loongarch64 = { cpus = ["la464", "max"] }
#: choices.cpu.riscv32 = { cpus = ["rv32", "sifive-u34"] }
#: choices.cpu.mips64 = { cpus = ["MIPS64R2-generic", "5KEf"] }
#: choices.cpu.mips64el = { cpus = ["MIPS64R2-generic", "5KEf"] }
#: choices.cpu.mips = { cpus = ["24Kf", "34Kf", "74Kf"] }
#: choices.cpu.mipsel = { cpus = ["24Kf", "34Kf", "74Kf"] }
#: choices.cpu.ppc = { cpus = ["e500mc"] }
#: choices.cpu.sh4 = ["sh7751r"]
#: choices.cpu.s390x = { cpus = ["qemu", "max"] }
#: choices.cpu.i386 = { cpus = ["qemu32", "max", "pentium3", "n270", "core2duo", "Nehalem", "EPYC"] }
#: choices.cpu.arm = { cpus = ["cortex-a15", "cortex-a7", "max"] }
#: choices.cpu.ppc64 = { cpus = ["power8", "power8nvl", "power9", "power10"] }
#: choices.cpu.ppc64le = { cpus = ["power8", "power8nvl", "power9", "power10"] }

in_host() {
    qemu -cpu "$(choose cpu)"
}

in_guest() {
    grep -m 3 -E '^(model name|CPU part|cpu|CPU|cpu type|cpu architecture|Features|features|isa)[[:space:]]*:' /proc/cpuinfo
    # Something that uses what the processor is for: a checksum over pages and floating-point numbers.
    sum=$(dd if=/dev/zero bs=64k count=64 2> /dev/null | sha256sum)
    test "${sum%% *}" = bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8
    test "$(awk 'BEGIN { printf "%.6f", sqrt(2) * 1e3 }')" = 1414.213562
}
