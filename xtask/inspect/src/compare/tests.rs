//! Plants each kind of leak that occurred in practice and checks that it is recognised.

use camino::Utf8PathBuf;
use plan::digest::Digest;

use super::*;

mod leaks;

/// Word size and byte order of a fictional machine.
#[derive(Clone, Copy)]
struct Machine {
    wide: bool,
    big_endian: bool,
}

const MACHINES: [Machine; 4] = [
    Machine {
        wide: false,
        big_endian: false,
    },
    Machine {
        wide: false,
        big_endian: true,
    },
    Machine {
        wide: true,
        big_endian: false,
    },
    Machine {
        wide: true,
        big_endian: true,
    },
];

impl Machine {
    fn put(self, out: &mut Vec<u8>, value: u64, length: usize) {
        let bytes = value.to_be_bytes();
        let bytes = &bytes[8 - length..];
        if self.big_endian {
            out.extend(bytes);
        } else {
            out.extend(bytes.iter().rev());
        }
    }

    fn word(self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// An executable with `.text` at 0x1000, `.rodata` at 0x2000, and symbols for both.
    fn elf(self, text: &[u8], rodata: &[u8]) -> Vec<u8> {
        let mut symbols = vec![0; if self.wide { 24 } else { 16 }];
        self.symbol(&mut symbols, 1, 0x1000, 4, 1);
        self.symbol(&mut symbols, 7, 0x1004, 4, 1);
        self.symbol(&mut symbols, 14, 0x2000, 64, 2);
        let names = b"\0.text\0.rodata\0.symtab\0.strtab\0";
        let strings = b"\0start\0finish\0banner\0";
        // Name, type, flags, address, link, content.
        let sections: [([u64; 5], &[u8]); 6] = [
            ([0, 0, 0, 0, 0], b""),
            ([1, 1, 6, 0x1000, 0], text),
            ([7, 1, 2, 0x2000, 0], rodata),
            ([15, 2, 0, 0, 4], &symbols),
            ([23, 3, 0, 0, 0], strings),
            ([23, 3, 0, 0, 0], names),
        ];
        let header = if self.wide { 64 } else { 52 };
        let entry: u64 = if self.wide { 64 } else { 40 };
        let (mut content, mut table) = (Vec::<u8>::new(), Vec::new());
        for ([name, kind, flags, address, link], bytes) in sections {
            let offset = header + content.len() as u64;
            self.put(&mut table, name, 4);
            self.put(&mut table, kind, 4);
            for value in [flags, address, offset, bytes.len() as u64] {
                self.put(&mut table, value, self.word());
            }
            self.put(&mut table, link, 4);
            self.put(&mut table, 0, 4);
            self.put(&mut table, 1, self.word());
            self.put(&mut table, 0, self.word());
            content.extend(bytes);
        }
        let mut file = b"\x7fELF".to_vec();
        file.extend([1 + u8::from(self.wide), 1 + u8::from(self.big_endian), 1]);
        file.resize(16, 0);
        self.put(&mut file, 2, 2);
        self.put(&mut file, 0, 2);
        self.put(&mut file, 1, 4);
        self.put(&mut file, 0x1000, self.word());
        self.put(&mut file, 0, self.word());
        self.put(&mut file, header + content.len() as u64, self.word());
        self.put(&mut file, 0, 4);
        for half in [header, 0, 0, entry, 6, 5] {
            self.put(&mut file, half, 2);
        }
        file.extend(content);
        file.extend(table);
        file
    }

    fn symbol(self, out: &mut Vec<u8>, name: u64, value: u64, size: u64, section: u64) {
        self.put(out, name, 4);
        if self.wide {
            self.put(out, 0, 2);
            self.put(out, section, 2);
            self.put(out, value, 8);
            self.put(out, size, 8);
        } else {
            self.put(out, value, 4);
            self.put(out, size, 4);
            self.put(out, 0, 2);
            self.put(out, section, 2);
        }
    }
}

fn newc(entries: &[(&str, u32, u32, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let trailer = [("TRAILER!!!", 0, 0, &b""[..])];
    for (inode, (name, mode, mtime, data)) in (1..).zip(entries.iter().chain(&trailer)) {
        archive.extend(b"070701");
        let size = u32::try_from(data.len()).unwrap();
        let name_size = u32::try_from(name.len() + 1).unwrap();
        for field in [
            inode, *mode, 0, 0, 1, *mtime, size, 0, 0, 0, 0, name_size, 0,
        ] {
            archive.extend(format!("{field:08X}").bytes());
        }
        archive.extend(name.bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(*data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

fn check(first: &[u8], second: &[u8], expect: &str) {
    let place = first_difference_in(first, second).map(|place| place.to_string());
    assert_eq!(place.as_deref(), Some(expect));
    assert_eq!(first_difference_in(first, first), None);
}

#[test]
fn build_path_in_rodata_names_section_and_symbol() {
    for machine in MACHINES {
        check(
            &machine.elf(
                b"\x90\x90\x90\x90\xc3\xc3\xc3\xc3",
                b"\0\0/tmp/one/x.c\0end",
            ),
            &machine.elf(
                b"\x90\x90\x90\x90\xc3\xc3\xc3\xc3",
                b"\0\0/tmp/two/x.c\0end",
            ),
            "section .rodata + 0x7 (symbol banner): \"/tmp/one/x.c\" / \"/tmp/two/x.c\"; \
             looks like a path",
        );
    }
}

#[test]
fn longer_build_path_is_blamed_before_moved_code() {
    for machine in MACHINES {
        check(
            &machine.elf(b"\x90\x90\x90\x01\xc3\xc3\xc3\xc3", b"/tmp/a/x.c\0end"),
            &machine.elf(b"\x90\x90\x90\x02\xc3\xc3\xc3\xc3", b"/tmp/longer/x.c\0end"),
            "section .rodata + 0x5 (symbol banner): \"/tmp/a/x.c\" / \"/tmp/longer/x.c\"; \
             also in .text; looks like a path",
        );
    }
}

#[test]
fn differing_code_names_its_function() {
    for machine in MACHINES {
        check(
            &machine.elf(b"\x90\x90\x90\x90\xc3\x01\xc3\xc3", b"same"),
            &machine.elf(b"\x90\x90\x90\x90\xc3\x02\xc3\xc3", b"same"),
            "section .text + 0x5 (symbol finish): 01 c3 c3 / 02 c3 c3",
        );
    }
}

#[test]
fn elf_header_difference_is_shown_as_bytes() {
    let one = MACHINES[2].elf(b"\x90", b"same");
    let mut other = one.clone();
    other[7] = 9;
    check(
        &one,
        &other,
        "byte 0x7: 00 00 00 00 00 00 00 00 / 09 00 00 00 00 00 00 00",
    );
}

#[test]
fn time_stamp_of_an_archive_entry_is_shown() {
    check(
        &newc(&[("dev", 0o040_755, 7, b""), ("init", 0o100_755, 7, b"#!")]),
        &newc(&[("dev", 0o040_755, 7, b""), ("init", 0o100_755, 8, b"#!")]),
        "entry init: mtime: 7 / 8; looks like a time",
    );
}

#[test]
fn archive_differences_name_the_entry() {
    let plain = newc(&[
        ("a", 0o100_644, 0, b"x"),
        ("b", 0o100_644, 0, b"one\ntwo\n"),
    ]);
    let check = |second: &[(&str, u32, u32, &[u8])], expect| check(&plain, &newc(second), expect);
    check(
        &[("a", 0o100_644, 0, b"x")],
        "entry b: only the first has it",
    );
    check(
        &[
            ("a", 0o100_644, 0, b"x"),
            ("b", 0o100_600, 0, b"one\ntwo\n"),
        ],
        "entry b: mode: 100644 / 100600; looks like the builder's umask or user",
    );
    check(
        &[("a", 0o100_644, 0, b"x"), ("b", 0o100_644, 0, b"one\n2\n")],
        "entry b: line 2: \"two\" / \"2\"",
    );
    check(
        &[
            ("b", 0o100_644, 0, b"one\ntwo\n"),
            ("a", 0o100_644, 0, b"x"),
        ],
        "entry a: order: a / b; looks like the order of a directory",
    );
    let mut padded = plain.clone();
    padded.extend([0; 4]);
    super::tests::check(
        &plain,
        &padded,
        "entry (after the last entry): byte 0x0: (end) / 00 00 00 00",
    );
}

#[test]
fn program_inside_an_archive_is_analysed() {
    let program = |code: &[u8]| MACHINES[3].elf(code, b"same");
    let archive = |code: &[u8]| newc(&[("bin/sh", 0o100_755, 0, &program(code))]);
    check(
        &archive(b"\x90\x90\x90\x01"),
        &archive(b"\x90\x90\x90\x02"),
        "entry bin/sh: section .text + 0x3 (symbol start): 01 / 02",
    );
}

#[test]
fn config_difference_is_shown_as_a_line() {
    check(
        b"CONFIG_A=y\nCONFIG_RUSTC_VERSION=109500\nCONFIG_B=y\n",
        b"CONFIG_A=y\nCONFIG_RUSTC_VERSION=0\nCONFIG_B=y\n",
        "line 2: \"CONFIG_RUSTC_VERSION=109500\" / \"CONFIG_RUSTC_VERSION=0\"; \
         looks like the version of a host tool",
    );
    check(b"a\n", b"a\nb\n", "line 2: \"\" / \"b\"");
    check(b"", b"\n", "line 2: \"\" / \"\"");
}

#[test]
fn unknown_content_is_shown_as_bytes() {
    check(b"\xff\x00\x01", b"\xff\x00\x02", "byte 0x2: 01 / 02");
    check(b"\xff\x00", b"\xff\x00\x02", "byte 0x2: (end) / 02");
    check(
        b"\x7fELFbroken\xff",
        b"\x7fELFBroken\xff",
        "byte 0x4: \"ELFbroken\" / \"ELFBroken\"",
    );
    check(
        b"070701\xff",
        b"070702\xff",
        "byte 0x5: \"070701\" / \"070702\"",
    );
}

struct Trees {
    _scratch: tempfile::TempDir,
    first: Utf8PathBuf,
    second: Utf8PathBuf,
}

fn trees() -> Trees {
    let scratch = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(scratch.path().to_owned()).unwrap();
    let (first, second) = (root.join("first"), root.join("second"));
    for tree in [&first, &second] {
        fs_err::create_dir_all(tree.join("bin")).unwrap();
        fs_err::write(tree.join("bin/run"), "echo\n").unwrap();
        fs_err::write(tree.join("config"), "CONFIG_A=y\n").unwrap();
        fs_err::os::unix::fs::symlink("bin/run", tree.join("run")).unwrap();
    }
    Trees {
        _scratch: scratch,
        first,
        second,
    }
}

fn check_trees(change: impl FnOnce(&Utf8Path), expect: Option<&str>) {
    let trees = trees();
    change(&trees.second);
    let found = first_difference(&trees.first, &trees.second).unwrap();
    assert_eq!(found.map(|found| found.to_string()).as_deref(), expect);
}

#[test]
fn times_of_trees_are_ignored() {
    check_trees(
        |tree| fs_err::write(tree.join("config"), "CONFIG_A=y\n").unwrap(),
        None,
    );
}

#[test]
fn mode_bits_of_a_file_are_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    check_trees(
        |tree| {
            let mode = std::fs::Permissions::from_mode(0o600);
            fs_err::set_permissions(tree.join("bin/run"), mode).unwrap();
        },
        Some("bin/run: mode: 0644 / 0600; looks like the builder's umask or user"),
    );
}

#[test]
fn missing_file_names_its_side() {
    check_trees(
        |tree| fs_err::remove_file(tree.join("bin/run")).unwrap(),
        Some("bin/run: only the first has it"),
    );
    check_trees(
        |tree| fs_err::write(tree.join("extra"), "").unwrap(),
        Some("extra: only the second has it"),
    );
}

#[test]
fn differing_kind_target_content_name_their_path() {
    check_trees(
        |tree| {
            fs_err::remove_file(tree.join("run")).unwrap();
            fs_err::os::unix::fs::symlink("config", tree.join("run")).unwrap();
        },
        Some("run: link target: bin/run / config"),
    );
    check_trees(
        |tree| {
            fs_err::remove_file(tree.join("run")).unwrap();
            fs_err::write(tree.join("run"), "").unwrap();
        },
        Some("run: kind: link / file"),
    );
    check_trees(
        |tree| fs_err::write(tree.join("config"), "CONFIG_A=n\n").unwrap(),
        Some("config: line 1: \"CONFIG_A=y\" / \"CONFIG_A=n\""),
    );
}

#[test]
fn missing_tree_is_an_error() {
    let error = first_difference(Utf8Path::new("/none-such"), Utf8Path::new("/")).unwrap_err();
    assert_eq!(error.to_string(), "failed to compare `/none-such`");
}

/// Reads the host's own programs, for whatever machine they are.
#[test]
fn changed_text_byte_is_located_in_text() {
    let Ok(program) = fs_err::read("/proc/self/exe") else {
        return;
    };
    assert_ne!(Digest::of(&program), Digest::of(b""));
    let mut other = program.clone();
    // A test binary is mostly code and data, so this byte is in a section.
    let half = other.len() / 2;
    other[half] ^= 1;
    let place = first_difference_in(&program, &other).unwrap();
    assert!(matches!(place, Position::Section { .. }), "{place}");
}
