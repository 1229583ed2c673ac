//! Archives that exploit known vulnerabilities of other unpackers.

use super::*;

/// Checks that the archive is refused and nothing outside the tree changed.
fn refused(tar: Tar, expected: &str) {
    let home = with_neighbours();
    let before = outside(&home.path);
    let error = home.unpack(&gzip(&tar.end()), None, Limits::default());
    assert_eq!(error.unwrap_err().to_string(), format!("`x.tar`{expected}"));
    assert_eq!(outside(&home.path), before);
}

/// A home with a file and a directory next to the tree.
fn with_neighbours() -> Home {
    let home = home();
    fs::write(home.path.join("file"), "untouched").unwrap();
    fs::create_dir(home.path.join("dir")).unwrap();
    fs::write(home.path.join("dir/inner"), "untouched").unwrap();
    let private = std::fs::Permissions::from_mode(0o700);
    fs::set_permissions(home.path.join("dir"), private).unwrap();
    home
}

fn hard(tar: Tar, name: &str, target: &str) -> Tar {
    tar.add(
        EntryType::Link,
        name.as_bytes(),
        target.as_bytes(),
        0o644,
        b"",
    )
}

fn gnu(tar: Tar, kind: EntryType, text: &str) -> Tar {
    let text = [text.as_bytes(), b"\0"].concat();
    tar.add(kind, b"././@LongLink", b"", 0, &text)
}

/// CVE-2026-33056: the mode of a directory is applied to the target of a link of the same name.
#[test]
fn directory_after_link_changes_no_mode() {
    let chmod = tar().link("top/d", "../dir").dir("top/d");
    refused(chmod, ": entry `top/d` occurs twice");
    let within = tar().dir("top/a").link("top/d", "a").dir("top/d");
    refused(within, ": entry `top/d` occurs twice");
}

/// RUSTSEC-2021-0080: directories are created behind a link.
#[test]
fn a_directory_below_a_link_is_not_made() {
    let through = tar().link("top/l", "../dir").dir("top/l/made");
    let expected = ": entry `top/l/made` is below the symbolic link `l`";
    refused(through, expected);
}

/// RUSTSEC-2018-0002: a hard link to an outside file, then content for it.
#[test]
fn file_after_hard_link_overwrites_nothing() {
    let own = hard(tar().file("top/a", "1"), "top/b", "top/a").file("top/b", "2");
    refused(own, ": entry `top/b` occurs twice");
    let away = hard(tar(), "top/b", "../file");
    refused(away, ": entry `top/b` has `..` in its name");
}

#[test]
fn hard_link_through_symlink_is_refused() {
    for (link, to, target) in [
        ("top/l", "../file", "top/l"),
        ("top/l", "../dir", "top/l/inner"),
        ("top/l", "a", "top/l"),
    ] {
        let sly = hard(tar().file("top/a", "1").link(link, to), "top/b", target);
        let expected = format!("is a hard link to `{target}`, which is not an earlier file");
        refused(sly, &format!(": entry `top/b` {expected}"));
    }
}

/// CVE-2022-36113: the file that marks a completed unpacking is a link from the archive.
#[test]
fn completion_mark_is_outside_the_tree() {
    let sly = tar().link("top/tree.json", "../../file");
    let expected = ": entry `tree.json` is a symbolic link to `../../file`, outside the archive";
    refused(sly, expected);
    assert_eq!(
        unpacked(tar().file("top/tree.json", "x")).read("tree.json"),
        "x"
    );
}

#[test]
fn dropped_prefix_cannot_be_a_link() {
    let sly = tar().link("top", "../dir").file("top/x", "x");
    let expected = ": entry `top` is outside the leading directories that are stripped";
    refused(sly, expected);
}

#[test]
fn extended_names_follow_the_same_rules() {
    let parent = ": entry `top/../../file` has `..` in its name";
    let long = |kind| gnu(tar(), kind, "top/../../file");
    refused(long(EntryType::GNULongName).file("top/x", "x"), parent);
    let path = tar().pax(&[("path", "top/../../file")]);
    refused(path.file("top/x", "x"), parent);
    let absolute = tar().pax(&[("path", "/etc/x")]).file("top/x", "x");
    refused(absolute, ": entry `/etc/x` has an absolute name");

    let away = ": entry `l` is a symbolic link to `../file`, outside the archive";
    let long = gnu(tar(), EntryType::GNULongLink, "../file");
    refused(long.link("top/l", "x"), away);
    let path = tar().pax(&[("linkpath", "../file")]);
    refused(path.link("top/l", "x"), away);
    let path = tar().pax(&[("linkpath", "../file")]).file("top/a", "");
    refused(
        hard(path.pax(&[("linkpath", "../file")]), "top/b", "top/a"),
        ": entry `top/b` has `..` in its name",
    );
}

/// CVE-2025-62518: one reader uses the size of the extension, another that of the header, so a file
/// for one is an archive for the other.
#[test]
fn archive_hidden_in_duplicate_size_is_refused() {
    let hidden = tar().file("top/hidden", "evil").end();
    let mut outer = tar().pax(&[("size", &hidden.len().to_string())]);
    outer = outer.add(EntryType::Regular, b"top/x", b"", 0o644, b"");
    outer.0.extend(&hidden);
    let expected = format!(": entry `top/x` has two sizes, 0 and {}", hidden.len());
    refused(outer, &expected);
    let nonsense = tar().pax(&[("size", "-1")]).file("top/x", "");
    let expected = "has extended headers that are too long, repeated or without an entry";
    refused(nonsense, &format!(": entry `top/x` {expected}"));
}

#[test]
fn empty_names_and_endless_times_are_refused() {
    refused(tar().file("", "x"), ": entry `` has no name");
    let mut late = tar().file("top/x", "");
    let header = Header::from_byte_slice(&late.0[..512]).clone();
    let mut header = header;
    // Base 256, the only form in which a header can contain such a large value.
    header.as_old_mut().mtime = [0xff; 12];
    header.as_old_mut().mtime[0] = 0x80;
    header.set_cksum();
    late.0[..512].copy_from_slice(header.as_bytes());
    refused(late, ": entry `top/x` has an impossible modification time");
}

/// A long name creates hundreds of directories, which count as entries.
#[test]
fn directories_that_only_names_imply_are_capped() {
    let deep = |at: usize| format!("top/{at}/{}x", "d/".repeat(400));
    let add = |tar: Tar, at| tar.pax(&[("path", &deep(at))]).file("top/x", "");
    for count in [6, 3] {
        let limits = Limits {
            entries: 1000,
            ..Limits::default()
        };
        let packed = (0..count).fold(tar(), add).end();
        let error = home().unpack(&packed, None, limits).unwrap_err();
        assert_eq!(error.to_string(), "`x.tar` has more than 1000 entries");
    }
}

#[test]
fn million_entries_are_refused_early() {
    let home = home();
    let empty = tar().file("top/aaaaaa", "").0;
    let mut many = Vec::new();
    for at in 0..20_000_u32 {
        let mut header = empty.clone();
        let mut its = Header::from_byte_slice(&header[..512]).clone();
        its.as_old_mut().name[4..10].copy_from_slice(format!("{at:06}").as_bytes());
        its.set_cksum();
        header.copy_from_slice(its.as_bytes());
        many.extend(header);
    }
    let error = home.unpack(&xz(&many), None, Limits::default());
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "`x.tar` unpacks to more than 20 times its size");
    let made = fs::read_dir(home.path.join("root")).unwrap().count();
    assert!(made <= 20_000 * 512 / 20, "{made}");
}

/// A ratio of ten thousand, which only bzip2 and xz reach.
#[test]
fn large_bomb_is_cut_early() {
    let zeros = tar().add(EntryType::Regular, b"top/x", b"", 0o644, &vec![0; 16 << 20]);
    let zeros = zeros.end();
    for pack in [bzip2, xz] {
        let packed = pack(&zeros);
        assert!(packed.len() * 5000 < zeros.len(), "{}", packed.len());
        let home = home();
        let error = home.unpack(&packed, None, Limits::default()).unwrap_err();
        let expected = "`x.tar` unpacks to more than 20 times its size";
        assert_eq!(error.to_string(), expected);
        let written = home.path.join("root/x").metadata();
        assert!(written.map_or(0, |file| file.len()) <= 1 << 20);
    }
}

/// An xz stream that requires 4 GiB for its dictionary.
#[test]
fn oversized_dictionary_is_refused() {
    let mut packed = xz(&tar().file("top/x", "x").end());
    // Stream header: 12 bytes. Block header: size, flags, LZMA2 (0x21), 1, the dictionary's size,
    // …, CRC32.
    let length = 4 * (usize::from(packed[12]) + 1);
    let at = 12 + packed[12..].iter().position(|byte| *byte == 0x21).unwrap() + 2;
    packed[at] = 40;
    let mut crc = flate2::Crc::new();
    crc.update(&packed[12..8 + length]);
    packed[8 + length..12 + length].copy_from_slice(&crc.sum().to_le_bytes());
    let error = home().unpack(&packed, None, Limits::default()).unwrap_err();
    let expected = "failed to unpack `x.tar`: ";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert!(error.to_string().contains("memory"), "{error}");
}

#[test]
fn foreign_path_syntax_is_a_plain_name() {
    let home = unpacked(tar().file("top/a\\..\\b", "1").file("top/C:x", "2"));
    assert_eq!(home.read("a\\..\\b"), "1");
    assert_eq!(home.read("C:x"), "2");
}
