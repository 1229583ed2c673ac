#!/bin/sh
# An HD Audio controller carries commands to its codec and plays both channels, of which a muted one is silent.
# In QEMU its registers have the target's byte order, which accesses to PCI do not expect where the target is big-endian: not on a
# pseries, whichever guest it has.
#: timeout = "60s"
#: arch = ["x86_64", "aarch64", "riscv64"]
#: requires.devices = ["ivshmem-plain"]
#: choices.controller = { devices = ["intel-hda", "ich9-intel-hda"] }
#: choices.codec = { devices = ["hda-duplex", "hda-output", "hda-micro"] }

in_host() {
    controller=$(choose controller)
    tone "$SCRATCH/tone"
    qemu -append "controller=$controller" -device "$controller,id=hda" \
        -device "$(choose codec),bus=hda.0,cad=0,audiodev=a0" -audiodev "wav,id=a0,path=$SCRATCH/wav,out.frequency=48000" \
        -object "memory-backend-file,id=tone,mem-path=$SCRATCH/tone,size=1M,share=on" -device ivshmem-plain,memdev=tone
    heard "$SCRATCH/wav" 'both, right, both, left, none, both'
}

in_guest() {
    case $(kernel_parameter controller) in
        ich9*) function=$(pci_device 8086:293e) ;;
        *) function=$(pci_device 8086:2668) ;;
    esac
    hda=$(pci_bar "$function" 0)
    # Version 1.0.
    test "$(peek $((hda + 2)) 8) $(peek $((hda + 3)) 8)" = "0x0 0x1"
    poke $((hda + 8)) 32 0
    test "$(peek $((hda + 8)) 32)" = 0x0
    poke $((hda + 8)) 32 1
    wait_for "test \$(peek $((hda + 8)) 32) = 0x1"
    test "$(peek $((hda + 0xe)) 16)" = 0x1
    # Parameter 4 of node 0 is its nodes: one, from 1 on.
    test "$(codec 0 0xf0004)" = 0x10001

    # The tone is in the memory of another PCI device; in front of it is the list of its two parts.
    bus_master "$function"
    memory=$(pci_bar "$(pci_device 1af4:1110)" 2)
    for part in 0 1; do
        tone=$((memory + 0x10000 * (part + 1)))
        poke $((memory + 16 * part)) 32 $((tone & 0xffffffff))
        poke $((memory + 16 * part + 4)) 32 $((tone >> 32))
        poke $((memory + 16 * part + 8)) 32 0x10000
    done
    # Node 2 plays stream 1: 48 kHz, 16 bits, two channels.
    codec 2 0x20011
    codec 2 0x70610
    # The fifth stream of the controller is the first output.
    stream=$((hda + 0x100))
    poke $((stream + 0x18)) 32 $((memory & 0xffffffff))
    poke $((stream + 0x1c)) 32 $((memory >> 32))
    poke $((stream + 0x08)) 32 0x20000
    poke $((stream + 0x0c)) 16 1
    poke $((stream + 0x12)) 16 0x11
    codec 2 0x3b04a # both channels: full volume
    poke $stream 32 $((1 << 20 | 2))
    usleep 300000
    codec 2 0x3a0ca # left: mute
    usleep 300000
    codec 2 0x3a04a
    usleep 300000
    codec 2 0x390ca # right: mute
    usleep 300000
    codec 2 0x3b0ca # both: mute
    usleep 300000
    codec 2 0x3b04a
    usleep 300000
    poke $stream 32 0
}

# codec NODE VERB: sends a command by the registers for immediate commands, and prints the answer.
codec() {
    poke $((hda + 0x68)) 16 2
    poke $((hda + 0x60)) 32 $(($1 << 20 | $2))
    poke $((hda + 0x68)) 16 1
    wait_for "test \$((\$(peek $((hda + 0x68)) 16) & 3)) = 2"
    peek $((hda + 0x64)) 32
}
