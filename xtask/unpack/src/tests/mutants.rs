//! Unpacks archives of real programs with a few mutated bytes, from a fixed sequence of random
//! numbers. Nothing outside the tree may change, and the tree may contain only plain entries.
//!
//! `KILN_MUTANTS` is the number of mutants (600), `KILN_MUTANTS_SEED` the seed.

use std::process::Command;

use super::*;

/// `SplitMix64`, which gives the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Archives of a tree with one entry of each type, packed by the system's tar and by ours.
fn originals() -> Vec<Vec<u8>> {
    let home = home();
    let top = home.path.join("top");
    fs::create_dir_all(top.join("d/e")).unwrap();
    fs::write(top.join("d/file"), "content ".repeat(300)).unwrap();
    fs::write(top.join("d/empty"), "").unwrap();
    fs::write(top.join(format!("d/{}", "long".repeat(24))), "x").unwrap();
    fs::hard_link(top.join("d/file"), top.join("hard")).unwrap();
    fs::os::unix::fs::symlink("d/file", top.join("soft")).unwrap();
    fs::os::unix::fs::symlink("../d", top.join("d/up")).unwrap();
    let mut packed = vec![
        tar()
            .dir("top")
            .pax(&[("path", "top/named"), ("size", "7")])
            .file("top/x", "content")
            .link("top/l", "named")
            .end(),
    ];
    for format in ["gnu", "pax", "ustar"] {
        let file = home.path.join(format);
        #[expect(clippy::disallowed_methods, reason = "a test's own tool")]
        let mut tar = Command::new("tar");
        tar.arg(format!("--format={format}"))
            .arg("-C")
            .arg(&home.path);
        assert!(
            tar.arg("-cf")
                .arg(&file)
                .arg("top")
                .status()
                .unwrap()
                .success()
        );
        packed.push(fs::read(file).unwrap());
    }
    packed
}

const NAMES: [&[u8]; 10] = [
    b"../../file",
    b"/",
    b"top/../..",
    b"top/l/x",
    b"top/soft",
    b"top/d/up/../../../file",
    b"top/hard\0",
    b"\0",
    b"..",
    b"top//./d",
];

const KINDS: &[u8] = b"01234567gxLKSADMNV\0\xff";

/// Mutates a header so that other readers accept it, or arbitrary bytes.
fn mutate(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let block = 512 * chance.below(bytes.len() / 512);
    let is_header = bytes.get(block + 257..block + 262) == Some(b"ustar");
    match chance.below(8) {
        0 => {
            let at = chance.below(bytes.len());
            bytes[at] ^= 1 << chance.below(8);
        }
        1 => bytes.truncate(chance.below(bytes.len())),
        2 => {
            let copy = bytes[block..(block + 512).min(bytes.len())].to_vec();
            let at = 512 * chance.below(bytes.len() / 512);
            bytes.splice(at..at, copy);
        }
        3 => drop(bytes.drain(block..(block + 512).min(bytes.len()))),
        4 => bytes.extend(vec![chance.below(256).to_le_bytes()[0]; chance.below(2000)]),
        _ if !is_header => {
            let at = chance.below(bytes.len());
            bytes[at] = chance.below(256).to_le_bytes()[0];
        }
        field => {
            let header = &mut bytes[block..block + 512];
            match field {
                5 => {
                    let name = chance.pick(&NAMES);
                    let at = chance.pick(&[&0, &157, &345]);
                    header[*at..at + name.len()].copy_from_slice(name);
                    header[at + name.len()] = 0;
                }
                6 => header[156] = KINDS[chance.below(KINDS.len())],
                _ => {
                    // Mode, size or time: digits, or base 256.
                    let at = *chance.pick(&[&100, &124, &136]);
                    let value = chance.next().to_be_bytes();
                    header[at] = *chance.pick(&[&0x80, &0xff, &b'0', &b'7']);
                    header[at + 1] = value[0];
                    header[at + 3] = b'0' + value[1] % 8;
                }
            }
            checksum(header);
        }
    }
}

/// Recomputes the checksum of a header (POSIX.1, ustar: the sum with the field itself as blanks).
fn checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Checks that a tree contains only plain files, directories and links within it.
fn is_sane(root: &Utf8Path) -> Result<(), String> {
    let real = root.canonicalize_utf8().unwrap();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in directory.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            let about = path.symlink_metadata().unwrap();
            let mode = about.permissions().mode() & 0o7777;
            if about.is_dir() && mode == 0o755 {
                pending.push(path);
            } else if about.is_symlink() {
                if path
                    .canonicalize_utf8()
                    .is_ok_and(|to| !to.starts_with(&real))
                {
                    return Err(format!("`{path}` leads outside"));
                }
            } else if !about.is_file() || ![0o644, 0o755].contains(&mode) {
                return Err(format!("`{path}` is {about:?}"));
            }
        }
    }
    Ok(())
}

fn setting(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "tells a test how long to look")]
    let value = std::env::var(name);
    value.map_or(default, |value| value.parse().unwrap())
}

#[test]
fn archive_mutants_change_nothing_outside() {
    let originals = originals();
    for whole in &originals {
        home().unpack(whole, None, Limits::default()).unwrap();
    }
    let (count, seed) = (
        setting("KILN_MUTANTS", 600),
        setting("KILN_MUTANTS_SEED", 1),
    );
    let (mut unpacked, mut refused) = (0, 0);
    for at in 0..count {
        let mut chance = Chance(seed.wrapping_add(at));
        let mut bytes = originals[chance.below(originals.len())].clone();
        for _ in 0..=chance.below(2) {
            if bytes.len() >= 512 {
                mutate(&mut chance, &mut bytes);
            }
        }
        let packed = match chance.below(6) {
            0 => gzip(&bytes),
            1 => xz(&bytes),
            2 => bzip2(&bytes),
            _ => bytes,
        };
        let home = home();
        fs::write(home.path.join("file"), "untouched").unwrap();
        fs::create_dir(home.path.join("d")).unwrap();
        let before = outside(&home.path);
        let limits = Limits {
            bytes: 1 << 20,
            ..Limits::default()
        };
        let again = format!("KILN_MUTANTS=1 KILN_MUTANTS_SEED={}", seed.wrapping_add(at));
        let ended = std::panic::catch_unwind(|| home.unpack(&packed, None, limits));
        let Ok(ended) = ended else {
            panic!("it panicked; {again}");
        };
        match ended {
            Ok(_) => unpacked += 1,
            Err(UnpackError::Write(error)) => panic!("{error}; {again}"),
            Err(_) => refused += 1,
        }
        assert_eq!(outside(&home.path), before, "{again}");
        is_sane(&home.path.join("root")).unwrap_or_else(|why| panic!("{why}; {again}"));
    }
    eprintln!("{count} mutants: {unpacked} unpacked, {refused} refused");
    // If all mutants were refused early, the test would only test the early checks.
    assert!(count < 500 || unpacked * 20 > count && refused * 20 > count);
}
