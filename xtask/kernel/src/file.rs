//! Identifies a kernel file: its machine, its version, and whether QEMU can boot it directly.

use std::fmt;
use std::io::Read as _;

use elf::{Header, Note};

/// The machine that a kernel runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// `e_machine` of an ELF file.
    pub machine: u16,
    /// Whether words have 64 bits.
    pub wide: bool,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.wide { 64 } else { 32 };
        let endian = if self.big_endian { "big" } else { "little" };
        write!(
            f,
            "ELF machine {}, {bits}-bit {endian}-endian",
            self.machine
        )
    }
}

/// The facts about a kernel file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFile {
    /// The machine that it runs on.
    pub target: Target,
    /// Its release, such as `6.12.95`.
    pub version: Option<String>,
    /// Whether it is an ELF file with the entry point of Xen's PVH boot. QEMU needs it to boot ELF
    /// files on machines with compressed kernels.
    pub has_pvh: bool,
}

/// Offset and text of the signature of the boot protocol (kernel: Documentation/arch/x86/boot.rst).
const BOOT_PROTOCOL: (usize, &[u8]) = (0x202, b"HdrS");
/// Offset of the field that locates the version's text, relative to 0x200.
const VERSION_OFFSET: usize = 0x20e;
/// `xloadflags`, whose bit 0 is set if the kernel has a 64-bit entry point.
const LOAD_FLAGS: usize = 0x236;
/// The ELF machines of kernels with and without that bit.
const PC_MACHINES: [u16; 2] = [62, 3];

/// Flat images: offset and text of their signature, and the ELF machine (kernel:
/// Documentation/arch/arm64/booting.rst, Documentation/arch/riscv/boot-image-header.rst).
const IMAGES: [(usize, &[u8], u16); 2] = [(0x38, b"ARM\x64", 183), (0x38, b"RSC\x05", 243)];
/// Offset and text of a signature.
type Signature = (usize, &'static [u8]);

/// Images whose signatures determine word size and byte order as well: a file for U-Boot with a kernel for 32-bit Arm
/// (U-Boot: include/image.h), a zImage (kernel: arch/arm/boot/compressed/head.S), and a bzImage of s390 (kernel: arch/s390/boot/head.S).
const FIXED: [(&[Signature], Target); 3] = [
    (&[(0, b"\x27\x05\x19\x56"), (28, b"\x05\x02\x02")], ARM32),
    (&[(0x24, b"\x18\x28\x6f\x01")], ARM32),
    (
        &[(0x10008, b"S390EP")],
        Target {
            machine: 22,
            wide: true,
            big_endian: true,
        },
    ),
];
/// Little-endian 32-bit Arm.
const ARM32: Target = Target {
    machine: 40,
    wide: false,
    big_endian: false,
};
/// Bit 0 of the flags at 0x18 is the byte order of the kernel in both formats.
const IMAGE_FLAGS: usize = 0x18;

/// The note of the PVH entry point: `XEN_ELFNOTE_PHYS32_ENTRY`.
const PVH: (&str, u32) = ("Xen", 18);

const GZIP: &[u8] = b"\x1f\x8b";

impl KernelFile {
    /// `None` if the format is not that of a bootable kernel.
    #[must_use]
    pub fn identify(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(GZIP) {
            let mut inner = Vec::new();
            flate2::read::GzDecoder::new(bytes)
                .read_to_end(&mut inner)
                .ok()?;
            return Self::identify_plain(&inner);
        }
        Self::identify_plain(bytes)
    }

    fn identify_plain(bytes: &[u8]) -> Option<Self> {
        let has = |(at, signature): (usize, &[u8])| {
            bytes
                .get(at..)
                .is_some_and(|tail| tail.starts_with(signature))
        };
        if let Some(Header {
            machine,
            wide,
            big_endian,
        }) = Header::parse(bytes)
        {
            let is_pvh = |note: &Note| (note.owner.as_str(), note.kind) == PVH;
            return Some(Self {
                target: Target {
                    machine,
                    wide,
                    big_endian,
                },
                version: banner(bytes),
                has_pvh: Note::all(bytes).iter().any(is_pvh),
            });
        }
        if has(BOOT_PROTOCOL) {
            let wide = bytes.get(LOAD_FLAGS)? & 1 != 0;
            return Some(Self {
                target: Target {
                    machine: PC_MACHINES[usize::from(!wide)],
                    wide,
                    big_endian: false,
                },
                version: protocol_version(bytes),
                has_pvh: false,
            });
        }
        let is_fixed = |signatures: &&[Signature]| signatures.iter().all(|it| has(*it));
        if let Some((_, target)) = FIXED.iter().find(|(signatures, _)| is_fixed(signatures)) {
            return Some(Self {
                target: *target,
                version: banner(bytes),
                has_pvh: false,
            });
        }
        let image = IMAGES
            .iter()
            .find(|(at, signature, _)| has((*at, signature)))?;
        Some(Self {
            target: Target {
                machine: image.2,
                wide: true,
                big_endian: bytes.get(IMAGE_FLAGS)? & 1 != 0,
            },
            version: banner(bytes),
            has_pvh: false,
        })
    }
}

/// The version that the boot protocol points to.
fn protocol_version(bytes: &[u8]) -> Option<String> {
    let offset = bytes.get(VERSION_OFFSET..VERSION_OFFSET + 2)?;
    let at = usize::from(u16::from_le_bytes(offset.try_into().ok()?)) + 0x200;
    first_word(bytes.get(at..)?)
}

/// The version in the kernel's banner.
fn banner(bytes: &[u8]) -> Option<String> {
    const BANNER: &[u8] = b"Linux version ";
    // The first match may be a format string: `Linux version %s`.
    let mut found = bytes.windows(BANNER.len()).enumerate();
    found.find_map(|(at, window)| {
        let word = (window == BANNER).then(|| first_word(&bytes[at + BANNER.len()..]))??;
        word.starts_with(|first: char| first.is_ascii_digit())
            .then_some(word)
    })
}

/// Maximum length of a version (`__NEW_UTS_LEN`).
const VERSION_MAX: usize = 64;

fn first_word(bytes: &[u8]) -> Option<String> {
    let text = &bytes[..bytes.len().min(VERSION_MAX)];
    let word = text.split(|byte| !byte.is_ascii_graphic()).next()?;
    (!word.is_empty()).then(|| String::from_utf8_lossy(word).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A file with bytes at these offsets.
    fn file(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        for (at, part) in parts {
            bytes[*at..at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    fn target(machine: u16, wide: bool, big_endian: bool) -> Target {
        Target {
            machine,
            wide,
            big_endian,
        }
    }

    #[test]
    fn machine_is_detected_in_each_format() {
        let check = |bytes: &[u8], expect: Option<(Target, Option<&str>)>| {
            let found = KernelFile::identify(bytes);
            let found = found.map(|kernel| (kernel.target, kernel.version));
            let expect = expect.map(|(target, version)| (target, version.map(str::to_owned)));
            assert_eq!(found, expect);
        };
        let banner: (usize, &[u8]) = (0x300, b"Linux version 6.12.95 (kiln@kiln)\0");
        let format: (usize, &[u8]) = (0x2c0, b"Linux version %s\0");
        let elf = file(&[(0, b"\x7fELF\x02\x02\x01"), (18, &[0, 21]), format, banner]);
        check(&elf, Some((target(21, true, true), Some("6.12.95"))));
        let u_boot = file(&[(0, b"\x27\x05\x19\x56"), (28, &[5, 2, 2]), banner]);
        check(&u_boot, Some((target(40, false, false), Some("6.12.95"))));
        // A kernel for U-Boot on another processor.
        check(&file(&[(0, b"\x27\x05\x19\x56"), (28, &[5, 3, 2])]), None);
        let compressed = file(&[(0x24, &0x016f_2818_u32.to_le_bytes())]);
        check(&compressed, Some((target(40, false, false), None)));
        let mut mainframe = vec![0; 0x10008];
        mainframe.extend_from_slice(b"S390EP");
        check(&mainframe, Some((target(22, true, true), None)));
        let narrow = file(&[(0, b"\x7fELF\x01\x01\x01"), (18, &[40, 0])]);
        check(&narrow, Some((target(40, false, false), None)));
        let protocol: (usize, &[u8]) = (0x202, b"HdrS");
        let version: (usize, &[u8]) = (0x20e, &[0x80, 0]);
        let text: (usize, &[u8]) = (0x280, b"6.1.0-rc1 (a@b) #1\0");
        let pc = file(&[protocol, version, text, (0x236, &[1])]);
        check(&pc, Some((target(62, true, false), Some("6.1.0-rc1"))));
        let old = file(&[protocol, version, text]);
        check(&old, Some((target(3, false, false), Some("6.1.0-rc1"))));
        let image = file(&[(0x38, b"ARM\x64"), banner]);
        check(&image, Some((target(183, true, false), Some("6.12.95"))));
        let image = file(&[(0x38, b"RSC\x05"), (0x18, &[1])]);
        check(&image, Some((target(243, true, true), None)));
        check(&file(&[]), None);
        check(b"", None);

        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&pc).unwrap();
        let gzip = gzip.finish().unwrap();
        check(&gzip, Some((target(62, true, false), Some("6.1.0-rc1"))));
        check(&gzip[..20], None);
    }

    #[test]
    fn pvh_entry_is_a_note_of_xen() {
        let check = |owner: &[u8; 4], kind: u8, expect: bool| {
            // One program header of type PT_NOTE at 0x40. The note itself is at 0x100.
            let header: [&[u8]; 6] = [
                &[4, 0, 0, 0, 0, 0, 0, 0],
                &[0, 1, 0, 0, 0, 0, 0, 0],
                &[0; 16],
                &[20, 0, 0, 0, 0, 0, 0, 0],
                &[20, 0, 0, 0, 0, 0, 0, 0],
                &[4, 0, 0, 0, 0, 0, 0, 0],
            ];
            let note: [&[u8]; 5] = [
                &[4, 0, 0, 0],
                &[4, 0, 0, 0],
                &[kind, 0, 0, 0],
                owner,
                &[0; 4],
            ];
            let bytes = file(&[
                (0, b"\x7fELF\x02\x01\x01"),
                (18, &[62, 0]),
                (32, &[0x40]),
                (54, &[56, 0, 1, 0]),
                (0x40, &header.concat()),
                (0x100, &note.concat()),
            ]);
            let found = KernelFile::identify(&bytes).unwrap();
            assert_eq!(found.has_pvh, expect, "{owner:?} {kind}");
        };
        check(b"Xen\0", 18, true);
        check(b"Xen\0", 6, false);
        check(b"GNU\0", 18, false);
    }
}
