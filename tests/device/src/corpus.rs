//! Replays the command streams in `tests/device/corpus/`. Each is of a kind that has crashed some
//! QEMU, and was written for this project.
//!
//! The header of a file names the public report of that kind of defect. QEMU must survive every
//! stream.

use qtest::stream::Stream;
use qtest::{Bench, Failure, Test, Version};

const BASE: Test = Test::of("corpus", &[]);

/// The first version whose machines take an audio backend, which some need to start.
const AUDIO_OF_MACHINE: Version = Version::new(8, 2, 0);

/// A stream: its file, its description, the machine, device models, and QEMU's options.
macro_rules! stream {
    ($name:literal, $description:literal, $machine:literal, [$($model:literal),*], [$($option:literal),*]) => {
        Test {
            name: $name,
            description: $description,
            needs: &[$machine],
            models: &[$($model),*],
            arguments: &[$($option),*],
            body: |bench| survives(bench, include_str!(concat!("../corpus/", $name, ".qtest"))),
            ..BASE
        }
    };
}

#[rustfmt::skip]
pub(crate) const TESTS: &[Test] = &[
    stream!("ahci-cancel-on-empty-drive", "A command list with an unknown command, then a reset of the port", "q35", ["ich9-ahci", "ide-cd"], ["-device", "ich9-ahci,addr=4,id=a", "-device", "ide-cd,bus=a.0"]),
    stream!("am53c974-fifo-overflow", "More bytes than the FIFO has room for, then a selection", "q35", ["am53c974"], ["-device", "am53c974,addr=4"]),
    stream!("am53c974-fifo-underflow", "A transfer is started with an empty FIFO", "q35", ["am53c974"], ["-device", "am53c974,addr=4"]),
    stream!("am53c974-message-accepted-twice", "Messages are accepted when there is none", "q35", ["am53c974"], ["-device", "am53c974,addr=4"]),
    stream!("am53c974-select-during-dma", "A selection with DMA of a length that is larger than the command buffer", "q35", ["am53c974"], ["-device", "am53c974,addr=4"]),
    stream!("aspeed-gpio-register-of-eight-bytes", "A read of eight bytes in the middle of the registers of the GPIO controller", "ast1030-evb", [], []),
    stream!("ati-blit-with-huge-size", "A blit whose size and position overflow", "q35", ["ati-vga"], ["-device", "ati-vga,addr=4"]),
    stream!("cirrus-blit-beyond-video-ram", "A blit with a pitch that leaves video RAM", "q35", ["cirrus-vga"], ["-device", "cirrus-vga,addr=4"]),
    stream!("e1000-ring-in-registers", "The transmit ring is in the device's own registers", "q35", ["e1000"], ["-device", "e1000,addr=4"]),
    stream!("e1000e-rss-short-ipv6", "A transmit ring whose packet is a few bytes that claim to be IPv6, with receive-side scaling on", "q35", ["e1000e"], ["-device", "e1000e,addr=4"]),
    stream!("ehci-queue-head-in-registers", "The asynchronous list is in the device's own registers", "q35", ["usb-ehci"], ["-device", "usb-ehci,addr=4"]),
    stream!("exynos-random-numbers-by-byte", "Reads of single bytes of the random number generator", "smdkc210", [], []),
    stream!("floppy-read-without-drive", "A read command with all parameters, without a drive", "pc", ["isa-fdc"], ["-device", "isa-fdc"]),
    stream!("floppy-transfer-beyond-buffer", "A relative seek and reads of the data port behind a sector", "pc", ["isa-fdc"], ["-device", "isa-fdc"]),
    stream!("i8042-output-port-bits", "Commands to the keyboard controller without data", "pc", [], []),
    stream!("ide-atapi-packet-of-wrong-size", "A packet command to an empty drive with a byte count of 0", "pc", ["ide-cd"], ["-device", "ide-cd,bus=ide.0"]),
    stream!("igb-checksum-of-short-fragment", "A transmit descriptor that asks for the checksum of a few bytes", "q35", ["igb"], ["-device", "igb,addr=4"]),
    stream!("intel-hda-dma-to-itself", "The response ring is in the device's own registers", "q35", ["intel-hda", "hda-duplex"], ["-audiodev", "none,id=snd", "-device", "intel-hda,addr=4", "-device", "hda-duplex,audiodev=snd"]),
    stream!("lpc-interrupt-beyond-bus", "A write to the interrupt routing of the LPC bridge, then to its power management", "q35", [], []),
    stream!("lsi53c810-script-writes-own-registers", "A script whose block move points at the device's own registers", "q35", ["lsi53c810"], ["-device", "lsi53c810,addr=4"]),
    stream!("lsi53c895a-message-out-after-cancel", "A script that selects an absent target and sends messages", "q35", ["lsi53c895a"], ["-device", "lsi53c895a,addr=4"]),
    stream!("lsi53c895a-reselect-empty-queue", "Reselection is waited for while no request is queued", "q35", ["lsi53c895a"], ["-device", "lsi53c895a,addr=4"]),
    stream!("megasas-command-without-frame", "One command whose frame is at address 0", "q35", ["megasas"], ["-device", "megasas,addr=4"]),
    stream!("megasas-large-scatter-list", "A frame whose scatter list is longer than the frame", "q35", ["megasas"], ["-device", "megasas,addr=4"]),
    stream!("mptsas-doorbell-without-reply", "A message of the largest size through the doorbell", "q35", ["mptsas1068"], ["-device", "mptsas1068,addr=4"]),
    stream!("ne2k-remote-dma-beyond-memory", "Remote DMA behind the memory of the card", "q35", ["ne2k_pci"], ["-device", "ne2k_pci,addr=4"]),
    stream!("npcm7xx-adc-without-clock", "A conversion is started while the clock of the converter has the largest divisor", "npcm750-evb", [], []),
    stream!("npcm7xx-timer-that-starts-at-zero", "A timer is enabled, reset and enabled again with a count of zero", "npcm750-evb", [], []),
    stream!("nvme-log-page-with-offset", "A log page is read at an offset behind its end", "q35", ["nvme"], ["-device", "nvme,addr=4,serial=x"]),
    stream!("nvme-queue-in-registers", "The admin queues are in the device's own registers", "q35", ["nvme"], ["-device", "nvme,addr=4,serial=x"]),
    stream!("ohci-list-without-end", "A list of transfers that ends in itself", "q35", ["pci-ohci"], ["-device", "pci-ohci,addr=4"]),
    stream!("pcnet-loopback-of-long-frame", "Loopback with descriptors that overlap the initialisation block", "q35", ["pcnet"], ["-device", "pcnet,addr=4"]),
    stream!("pseries-rtas-unknown-token", "Calls of the firmware with arguments at odd and missing addresses", "pseries", [], []),
    stream!("pvscsi-ring-of-no-pages", "The rings are set up with no pages", "q35", ["pvscsi"], ["-device", "pvscsi,addr=4"]),
    stream!("qxl-mode-with-unmapped-bar", "A mode is set before the RAM of the device is mapped", "q35", ["qxl-vga"], ["-device", "qxl-vga,addr=4"]),
    stream!("rtl8139-receive-ring-outside-ram", "The receive buffer is behind RAM while loopback sends", "q35", ["rtl8139"], ["-device", "rtl8139,addr=4"]),
    stream!("sb16-command-while-idle", "Three commands of the audio set-up out of order", "q35", ["sb16"], ["-audiodev", "none,id=snd", "-device", "sb16,audiodev=snd"]),
    stream!("sdhci-block-size-during-transfer", "The block size is changed while a transfer runs", "q35", ["sdhci-pci", "sd-card"], ["-blockdev", "null-co,node-name=sd,size=1048576,read-zeroes=on", "-device", "sdhci-pci,addr=4", "-device", "sd-card,drive=sd"]),
    stream!("sdhci-write-protect-groups", "A card command reads write-protect groups behind the end of the card", "q35", ["sdhci-pci", "sd-card"], ["-blockdev", "null-co,node-name=sd,size=1048576,read-zeroes=on", "-device", "sdhci-pci,addr=4", "-device", "sd-card,drive=sd"]),
    stream!("sifive-plic-pending-beyond-sources", "Registers behind those of the last source and of the last context", "shakti_c", [], []),
    Test { oldest_qemu: AUDIO_OF_MACHINE, ..stream!("smc91c111-packet-beyond-memory", "A packet whose number is larger than the memory of the card is sent, freed and read", "integratorcp", [], ["-audiodev", "none,id=snd", "-machine", "audiodev=snd", "-nic", "hubport,hubid=0"]) },
    stream!("uhci-frame-list-outside-ram", "The frame list is in a hole of the address space", "q35", ["piix3-usb-uhci"], ["-device", "piix3-usb-uhci,addr=4"]),
    stream!("vga-width-of-zero", "A mode of no width in the registers of the Bochs interface", "q35", ["VGA"], ["-device", "VGA,addr=4"]),
    stream!("virtio-balloon-config-window", "The window for firmware accesses a structure that is not there", "q35", ["virtio-balloon-pci"], ["-device", "virtio-balloon-pci,addr=4"]),
    stream!("virtio-balloon-guest-statistics", "A queue of statistics whose buffers are too short", "q35", ["virtio-balloon-pci"], ["-device", "virtio-balloon-pci,addr=4"]),
    stream!("virtio-balloon-queue-without-rings", "A doorbell before any queue has rings", "microvm", ["virtio-balloon-device"], ["-device", "virtio-balloon-device"]),
    stream!("virtio-blk-ring-outside-ram", "The rings of a legacy device are behind the end of RAM", "pc", ["virtio-blk-pci"], ["-blockdev", "null-co,node-name=d,size=1048576", "-device", "virtio-blk-pci,addr=4,drive=d"]),
    stream!("virtio-scsi-queue-in-registers", "The addresses of a queue are those of the device's own registers", "q35", ["virtio-scsi-pci"], ["-device", "virtio-scsi-pci,addr=4"]),
    stream!("vmxnet3-packet-without-data", "A device is activated with a shared area of zeros, and its doorbell is rung", "q35", ["vmxnet3"], ["-device", "vmxnet3,addr=4"]),
    stream!("xhci-ring-that-links-to-itself", "A command ring whose link points at itself", "q35", ["qemu-xhci"], ["-device", "qemu-xhci,addr=4"]),
    Test { oldest_qemu: AUDIO_OF_MACHINE, ..stream!("xlnx-dp-register-beyond-blocks", "Reads behind the last register of each block of the display port", "xlnx-zcu102", [], ["-audiodev", "none,id=snd", "-machine", "audiodev=snd"]) },
];

/// Sends a stream. Fails if QEMU refuses a command, because the file is then wrong.
fn survives(bench: &mut Bench<'_>, text: &str) -> Result<(), Failure> {
    let stream = Stream::parse(text);
    let stream = stream.map_err(|error| Failure::Missing(format!("a stream: {error}")))?;
    for step in &stream.steps {
        bench.session.command(&step.command)?;
    }
    // Waits for bottom halves that run after the last reply.
    bench.session.command("endianness")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::machines;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

    #[test]
    fn every_stream_has_reference_and_command_line() {
        for test in TESTS {
            let file = format!("{FOLDER}/{}.qtest", test.name);
            let text = fs_err::read_to_string(&file).unwrap();
            let stream = Stream::parse(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let [title, reference, expected] = &stream.comments[..] else {
                panic!("{file}: {:?}", stream.comments)
            };
            assert_eq!(title, test.description, "{file}");
            assert!(reference.starts_with("Reference: "), "{file}");
            assert_eq!(expected, "Expected: survives", "{file}");
            let mut machines = machines().unwrap().iter();
            let machine = machines
                .find(|machine| machine.provides(test.needs))
                .unwrap();
            let own = test.arguments.iter().map(|it| (*it).to_owned());
            let line: Vec<String> = machine.arguments().into_iter().chain(own).collect();
            assert_eq!(stream.arguments, line, "{file}");
        }
    }

    #[test]
    fn every_file_of_the_corpus_is_a_test() {
        let names: BTreeSet<String> = TESTS
            .iter()
            .map(|test| format!("{}.qtest", test.name))
            .collect();
        let files = fs_err::read_dir(FOLDER).unwrap();
        let files: BTreeSet<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(files, names);
        assert!(files.len() >= 40, "only {} streams", files.len());
    }
}
