//! The geometry of IDE disks: what a disk reports (ATA-4, section 8.12) and what the firmware finds in CMOS
//! (drive types of the PC/AT, bytes 0x12 and 0x19 to 0x23, and QEMU's translation in byte 0x39).

use qtest::{Bench, Failure, Test};

use crate::ide::{DISK, IDENTIFY, command, take_sector, word};

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;

/// A geometry: cylinders, heads, sectors per track.
type Geometry = [u16; 3];

const BASE: Test = Test {
    models: &["ide-hd"],
    arguments: &[
        "-drive",
        DISK,
        "-device",
        "ide-hd,drive=disk,bus=ide.0,unit=0",
    ],
    ..Test::of("hd-geo", &["pc"])
};

/// A disk with a geometry on the command line.
const CHOSEN: Test = Test {
    arguments: &[
        "-drive",
        DISK,
        "-device",
        "ide-hd,drive=disk,bus=ide.0,unit=0,cyls=300,heads=9,secs=40",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "disk-has-default-geometry",
        description: "A disk of 64 MiB without a partition table has 16 heads and 63 sectors per track",
        body: |bench| reports(bench, [130, 16, 63]),
        ..BASE
    },
    Test {
        name: "disk-has-chosen-geometry",
        description: "A disk reports the geometry of the command line",
        body: |bench| reports(bench, [300, 9, 40]),
        ..CHOSEN
    },
    Test {
        name: "cmos-has-default-geometry",
        description: "CMOS has an extended drive type and the geometry of the disk",
        body: |bench| in_cmos(bench, [130, 16, 63]),
        ..BASE
    },
    Test {
        name: "cmos-has-chosen-geometry",
        description: "CMOS has an extended drive type and the geometry of the command line",
        body: |bench| in_cmos(bench, [300, 9, 40]),
        ..CHOSEN
    },
    Test {
        name: "cmos-has-no-drive-without-disk",
        description: "The drive types are 0 on a machine without a disk",
        models: &[],
        arguments: &[],
        body: |bench| no_drive(bench, 0),
        ..BASE
    },
    Test {
        name: "cmos-has-chosen-translation",
        description: "The translation of the command line is in CMOS",
        arguments: &[
            "-drive",
            DISK,
            "-device",
            "ide-hd,drive=disk,bus=ide.0,unit=0,cyls=300,heads=9,secs=40,bios-chs-trans=lba",
        ],
        body: |bench| translates(bench, 1),
        ..BASE
    },
    Test {
        name: "cmos-has-no-translation-of-small-disk",
        description: "A disk with at most 1024 cylinders, 16 heads and 63 sectors is not translated",
        body: |bench| translates(bench, 0),
        ..CHOSEN
    },
];

fn reports(bench: &mut Bench<'_>, expected: Geometry) -> Result<(), Failure> {
    command(bench, IDENTIFY)?;
    let identity = take_sector(bench)?;
    let found = [1, 3, 6].map(|at| word(&identity, at));
    bench.check("geometry", found, expected)?;
    let current = [54, 55, 56].map(|at| word(&identity, at));
    bench.check("current geometry", current, expected)
}

fn cmos(bench: &mut Bench<'_>, at: u8) -> Result<u8, Failure> {
    bench.session.outb(INDEX, at)?;
    Ok(bench.session.inb(DATA)?)
}

fn in_cmos(bench: &mut Bench<'_>, expected: Geometry) -> Result<(), Failure> {
    // 15 in the upper half: the type of the first disk is in byte 0x19. 47 means that its geometry follows.
    let kind = cmos(bench, 0x12)?;
    bench.check("drive types", kind, 0xf0)?;
    let extended = cmos(bench, 0x19)?;
    bench.check("extended drive type", extended, 47)?;
    let mut bytes = [0; 9];
    for (byte, at) in bytes.iter_mut().zip(0x1b..) {
        *byte = cmos(bench, at)?;
    }
    let cylinders = u16::from_le_bytes([bytes[0], bytes[1]]);
    let found = [cylinders, bytes[2].into(), bytes[8].into()];
    bench.check("geometry in CMOS", found, expected)?;
    let landing = u16::from_le_bytes([bytes[6], bytes[7]]);
    bench.check("landing zone", landing, cylinders)?;
    // Bits of the control byte: no retries, and bit 3 if there are more than 8 heads.
    bench.check(
        "control byte",
        bytes[5],
        0xc0 | u8::from(expected[1] > 8) << 3,
    )
}

fn no_drive(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let kind = cmos(bench, 0x12)?;
    bench.check("drive types", kind, expected)?;
    let extended = cmos(bench, 0x19)?;
    bench.check("extended drive type", extended, 0)
}

fn translates(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    // Two bits per disk: none, LBA, large, R-ECHS.
    let found = cmos(bench, 0x39)?;
    bench.check("translation", found & 0b11, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "disk-has-default-geometry", "geometry", |bench| {
            reports(bench, [131, 16, 63])
        });
        check_fails(TESTS, "disk-has-chosen-geometry", "geometry", |bench| {
            reports(bench, [300, 9, 41])
        });
        check_fails(TESTS, "cmos-has-default-geometry", "CMOS", |bench| {
            in_cmos(bench, [130, 15, 63])
        });
        check_fails(TESTS, "cmos-has-chosen-geometry", "CMOS", |bench| {
            in_cmos(bench, [301, 9, 40])
        });
        check_fails(TESTS, "cmos-has-no-drive-without-disk", "types", |bench| {
            no_drive(bench, 0xf0)
        });
        check_fails(
            TESTS,
            "cmos-has-chosen-translation",
            "translation",
            |bench| translates(bench, 2),
        );
        check_fails(
            TESTS,
            "cmos-has-no-translation-of-small-disk",
            "translation",
            |bench| translates(bench, 1),
        );
    }
}
