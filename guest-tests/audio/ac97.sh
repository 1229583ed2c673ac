#!/bin/sh
# An AC97 card plays both channels, each at its own volume, and is silent when it is muted.
# Its list of buffers has addresses of 32 bits, and other machines have the memory of the tone above 4 GiB.
#: arch = ["x86_64"]
#: timeout = "60s"
#: requires.devices = ["AC97", "ivshmem-plain"]

in_host() {
    tone "$SCRATCH/tone"
    qemu -device AC97,audiodev=a0 -audiodev "wav,id=a0,path=$SCRATCH/wav,out.frequency=48000" \
        -object "memory-backend-file,id=tone,mem-path=$SCRATCH/tone,size=1M,share=on" -device ivshmem-plain,memdev=tone
    heard "$SCRATCH/wav" 'both, none, left, right, both, none, both'
}

in_guest() {
    ac97=$(pci_device 8086:2415)
    echo 1 > "$ac97/enable"
    bus_master "$ac97"
    memory=$(pci_bar "$(pci_device 1af4:1110)" 2)
    # Each of the 32 buffers is the tone: 65536 samples but two.
    for entry in $(seq 0 31); do
        poke $((memory + 8 * entry)) 32 $((memory + 0x10000))
        poke $((memory + 8 * entry + 4)) 32 65534
    done
    set_port "$ac97" 0 0x18 16 0 # waveform: full volume
    set_port "$ac97" 1 0x10 32 "$memory"
    set_port "$ac97" 1 0x15 8 31
    volume 0
    set_port "$ac97" 1 0x1b 8 1
    usleep 300000
    volume 0x8000 # mute
    usleep 300000
    volume 0x003f # right: none
    usleep 300000
    volume 0x3f00 # left: none
    usleep 300000
    volume 0
    usleep 300000
    set_port "$ac97" 0 0x18 16 0x8000 # waveform: mute
    usleep 300000
    set_port "$ac97" 0 0x18 16 0
    usleep 300000
    set_port "$ac97" 1 0x1b 8 0
}

# volume VALUE: sets the master volume, and moves the end of the list away from the current buffer.
volume() {
    set_port "$ac97" 1 0x15 8 $((($(port "$ac97" 1 0x14 8) + 31) % 32))
    set_port "$ac97" 0 2 16 "$1"
}
