use proptest::prelude::*;

use super::*;

#[test]
fn names_with_dot_dot_are_refused() {
    check(
        tar().file("top/../../outside", "x"),
        ": entry `top/../../outside` has `..` in its name",
    );
    check(tar().file("..", "x"), ": entry `..` has `..` in its name");
}

#[test]
fn absolute_names_are_refused() {
    check(
        tar().file("/etc/x", "x"),
        ": entry `/etc/x` has an absolute name",
    );
}

#[test]
fn names_with_control_characters_are_refused() {
    check(
        tar().file("top/a\nb", "x"),
        ": entry `top/a\\nb` has a control character in its name",
    );
    let hidden = tar().pax(&[("path", "top/a\0b")]).file("top/a", "x");
    check(
        hidden,
        ": entry `top/a\\0b` has a control character in its name",
    );
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    let bad = tar().add(EntryType::Regular, b"top/\xff", b"", 0o644, b"");
    check(bad, ": entry `top/\u{fffd}` has a name that is not UTF-8");
}

#[test]
fn long_names_are_accepted_up_to_limit() {
    let long = format!("top/{}", "d/".repeat(400));
    let home = unpacked(
        tar()
            .pax(&[("path", &format!("{long}file"))])
            .file("x", "deep"),
    );
    assert_eq!(home.read(&format!("{}file", "d/".repeat(400))), "deep");
    let longer = format!("top/{}", "d/".repeat(600));
    let error = format!(": entry `{longer}` has a name of more than 1024 bytes");
    check(tar().pax(&[("path", &longer)]).file("x", ""), &error);
}

#[test]
fn gnu_long_names_are_accepted() {
    let long = format!("top/{}", "n".repeat(150));
    let named = [long.as_bytes(), b"\0"].concat();
    let home = unpacked(
        tar()
            .add(EntryType::GNULongName, b"././@LongLink", b"", 0, &named)
            .file("top/nnn", "long"),
    );
    assert_eq!(home.read(&"n".repeat(150)), "long");
}

#[test]
fn nothing_is_written_below_a_link() {
    let through = tar().link("top/l", "d").dir("top/d").file("top/l/x", "x");
    check(through, ": entry `top/l/x` is below the symbolic link `l`");
    let late = tar().file("top/l/x", "x").link("top/l", "d");
    check(late, ": entry `top/l` occurs twice");
}

#[test]
fn link_through_link_stays_inside() {
    let sly = tar()
        .dir("top/a")
        .dir("top/a/b")
        .link("top/a/b/up", "../..")
        .link("top/out", "a/b/up/..");
    check(
        sly,
        ": entry `out` is a symbolic link to `a/b/up/..`, outside the archive",
    );
}

#[test]
fn links_to_outside_are_refused() {
    for target in ["/etc/passwd", "..", "a/../../b", "../x"] {
        let expected = format!(": entry `l` is a symbolic link to `{target}`, outside the archive");
        check(tar().link("top/l", target), &expected);
    }
    check(
        tar().link("top/l", "l"),
        ": entry `l` is a symbolic link to itself",
    );
}

#[test]
fn internal_links_may_dangle() {
    let home = unpacked(
        tar()
            .link("top/d/l", "../file")
            .link("top/chain", "d/l")
            .link("top/no", "nothing")
            .file("top/file", "x"),
    );
    assert_eq!(home.read("d/l"), "x");
    assert_eq!(home.read("chain"), "x");
    assert_eq!(
        home.path.join("root/no").read_link_utf8().unwrap(),
        "nothing"
    );
}

#[test]
fn devices_and_pipes_are_refused() {
    let only = "only files, directories and links are supported";
    for (kind, name) in [
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::Continuous, "of type '7'"),
        (EntryType::GNUSparse, "a sparse file"),
    ] {
        let expected = format!(": entry `top/x` is {name}: {only}");
        check(tar().add(kind, b"top/x", b"", 0o644, b""), &expected);
    }
    let sparse = tar().pax(&[("GNU.sparse.major", "1")]).file("top/x", "");
    check(sparse, &format!(": entry `top/x` is a sparse file: {only}"));
}

#[test]
fn duplicates_are_refused() {
    check(
        tar().file("top/x", "1").file("top/x", "2"),
        ": entry `top/x` occurs twice",
    );
    check(
        tar().file("top/x", "1").file("top/./x", "2"),
        ": entry `top/./x` occurs twice",
    );
    check(
        tar().dir("top/x").link("top/x", "y"),
        ": entry `top/x` occurs twice",
    );
    check(
        tar().dir("top/x/").dir("top/x"),
        ": entry `top/x` occurs twice",
    );
    check(
        tar().file("top/x", "").file("top/x/y", ""),
        ": entry `top/x/y` is below the file `x`",
    );
}

#[test]
fn directory_may_follow_its_content() {
    assert_eq!(
        unpacked(tar().file("top/d/x", "x").dir("top/d")).read("d/x"),
        "x"
    );
}

#[test]
fn names_differing_in_case_need_case_sensitivity() {
    let both = || {
        tar()
            .file("top/net/xt_DSCP.c", "1")
            .file("top/net/xt_dscp.c", "2")
    };
    assert_eq!(unpacked(both()).read("net/xt_dscp.c"), "2");
    let limits = Limits {
        case_sensitive: false,
        ..Limits::default()
    };
    let expected = "differs from `net/xt_DSCP.c` only in case";
    check_within(
        both(),
        limits,
        &format!(": entry `top/net/xt_dscp.c` {expected}"),
    );
    let dirs = tar().file("top/Net/a", "1").file("top/net/b", "2");
    let expected = ": entry `top/net/b` differs from `Net` only in case";
    check_within(dirs, limits, expected);
}

#[test]
fn a_bomb_is_cut_by_its_ratio() {
    check(
        tar().file("top/x", &"0".repeat(2 << 20)),
        " unpacks to more than 20 times its size",
    );
    let harmless = tar().file("top/x", &"0".repeat(1 << 19));
    assert_eq!(unpacked(harmless).read("x").len(), 1 << 19);
}

#[test]
fn a_bomb_in_an_inner_archive_is_cut() {
    let bomb = gzip(&tar().file("top/x", &"0".repeat(2 << 20)).end());
    let outer = gzip(
        &tar()
            .add(EntryType::Regular, b"top/in.tar.gz", b"", 0o644, &bomb)
            .end(),
    );
    let error = home()
        .unpack(&outer, Some("in.tar.gz"), Limits::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`x.tar` unpacks to more than 20 times its size"
    );
}

#[test]
fn bytes_and_entries_are_capped() {
    let limits = Limits {
        bytes: 4096,
        ..Limits::default()
    };
    check_within(
        tar().file("top/x", &"0".repeat(5000)),
        limits,
        " unpacks to more than 4096 bytes",
    );
    let limits = Limits {
        entries: 2,
        ..Limits::default()
    };
    let three = tar().file("top/1", "").file("top/2", "").file("top/3", "");
    check_within(three, limits, " has more than 2 entries");
}

#[test]
fn data_after_the_end_is_refused() {
    let mut long = tar().file("top/x", "x").end();
    long.extend([0; 9000]);
    home()
        .unpack(&gzip(&long), None, Limits::default())
        .unwrap();
    long.extend(b"more");
    let error = home()
        .unpack(&gzip(&long), None, Limits::default())
        .unwrap_err();
    assert_eq!(error.to_string(), "`x.tar` has data after its end");
}

#[test]
fn data_after_the_compressed_end_is_refused() {
    for pack in [gzip, bzip2, xz] {
        let mut packed = pack(&tar().file("top/x", "x").end());
        packed.extend(b"trailing rubbish");
        let error = home()
            .unpack(&packed, None, Limits::default())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("failed to unpack `x.tar`: "), "{error}");
    }
}

#[test]
fn a_truncated_archive_is_refused() {
    let whole = tar().file("top/x", &"content ".repeat(1000)).end();
    for pack in [gzip, bzip2, xz] {
        let packed = pack(&whole);
        for length in [8, packed.len() / 2, packed.len() - 3] {
            let error = home()
                .unpack(&packed[..length], None, Limits::default())
                .unwrap_err();
            assert!(
                error.to_string().starts_with("failed to unpack `x.tar`: "),
                "{error}"
            );
        }
    }
    let error = home()
        .unpack(&gzip(&whole[..2000]), None, Limits::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to unpack `x.tar`: the archive ends within a file"
    );
}

#[test]
fn special_bits_and_write_permissions_are_dropped() {
    for (mode, expected) in [
        (0o6755, 0o755),
        (0o1777, 0o755),
        (0o700, 0o755),
        (0o666, 0o644),
        (0o000, 0o644),
    ] {
        let home = unpacked(tar().add(EntryType::Regular, b"top/x", b"", mode, b""));
        assert_eq!(home.mode("x"), expected, "{mode:o}");
    }
    let home = unpacked(tar().add(EntryType::Directory, b"top/d", b"", 0o2777, b""));
    assert_eq!(home.mode("d"), 0o755);
}

#[test]
fn two_sizes_are_refused() {
    let desync = tar().pax(&[("size", "512")]).file("top/x", "content");
    check(desync, ": entry `top/x` has two sizes, 7 and 512");
    assert_eq!(
        unpacked(tar().pax(&[("size", "7")]).file("top/x", "content")).read("x"),
        "content"
    );
}

#[test]
fn invalid_extended_headers_are_refused() {
    let expected = "has extended headers that are too long, repeated or without an entry";
    let twice = tar()
        .pax(&[("path", "top/a")])
        .pax(&[("path", "top/b")])
        .file("top/x", "");
    check(twice, &format!(": entry `pax` {expected}"));
    check(
        tar().file("top/x", "").pax(&[("path", "top/a")]),
        &format!(": entry `` {expected}"),
    );
    let huge = tar()
        .pax(&[("comment", &"x".repeat(70_000))])
        .file("top/x", "");
    check(huge, &format!(": entry `pax` {expected}"));
    let global = pax(&[("path", "top/evil")]);
    let global = tar()
        .add(EntryType::XGlobalHeader, b"g", b"", 0o644, &global)
        .file("top/x", "");
    let only = "only files, directories and links are supported";
    check(
        global,
        &format!(": entry `g` is a global extended header: {only}"),
    );
    let git = pax(&[("comment", "0123456789abcdef")]);
    let git = tar()
        .add(EntryType::XGlobalHeader, b"g", b"", 0o644, &git)
        .file("top/x", "git");
    assert_eq!(unpacked(git).read("x"), "git");
}

#[test]
fn hard_link_copies_an_earlier_file() {
    let hard = |target: &[u8]| {
        tar()
            .file("top/a", "content")
            .add(EntryType::Link, b"top/b", target, 0o644, b"")
    };
    let home = unpacked(hard(b"top/a"));
    assert_eq!(home.read("b"), "content");
    assert_eq!(home.seconds("b"), TIME);
    fs::write(home.path.join("root/b"), "changed").unwrap();
    assert_eq!(home.read("a"), "content");
    for target in ["top/later", "top/b"] {
        let expected = format!("is a hard link to `{target}`, which is not an earlier file");
        check(
            hard(target.as_bytes()),
            &format!(": entry `top/b` {expected}"),
        );
    }
    check(hard(b"../outside"), ": entry `top/b` has `..` in its name");
    check(hard(b"/etc/passwd"), ": entry `top/b` has an absolute name");
}

#[test]
fn file_outside_leading_directory_is_refused() {
    let expected = ": entry `readme` is outside the leading directories that are stripped";
    check(tar().file("readme", "x"), expected);
}

#[test]
fn every_compression_yields_the_same_tree() {
    let whole = tar()
        .dir("top")
        .dir("top/d")
        .file("top/d/x", "content")
        .end();
    for packed in [gzip(&whole), bzip2(&whole), xz(&whole), whole] {
        let home = home();
        let times = home.unpack(&packed, None, Limits::default()).unwrap();
        times.restore(&home.path.join("root")).unwrap();
        assert_eq!(home.read("d/x"), "content");
        assert_eq!((home.seconds("d/x"), home.seconds("d")), (TIME, TIME));
    }
    let error = home()
        .unpack(&[b'x'; 1024], None, Limits::default())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("not a tar, gzip, bzip2 or xz archive")
    );
}

#[test]
fn an_archive_within_the_archive_is_the_source() {
    let inner = xz(&tar().file("gcc-14/x", "inner").end());
    let outer =
        tar()
            .file("top/other", "")
            .add(EntryType::Regular, b"top/in.tar.xz", b"", 0o644, &inner);
    let home = home();
    home.unpack(
        &gzip(&outer.clone().end()),
        Some("in.tar.xz"),
        Limits::default(),
    )
    .unwrap();
    assert_eq!(home.read("x"), "inner");
    let error =
        super::tests::home().unpack(&gzip(&outer.end()), Some("n.tar.xz"), Limits::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "`x.tar` does not contain `n.tar.xz`"
    );
}

proptest! {
    // Each case unpacks an archive.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For arbitrary archives, nothing is written outside the tree.
    #[test]
    fn no_archive_writes_outside(
        entries in prop::collection::vec(
            ("(top|\\.\\.|/|a|l)(/(a|l|\\.\\.|\\.)){0,3}", "(a|l|\\.\\.|/|/a)(/(a|\\.\\.)){0,3}", 0..4_u8),
            1..8,
        )
    ) {
        let add = |tar: Tar, (name, target, kind): &(String, String, u8)| match kind {
            0 => tar.file(name, "content"),
            1 => tar.dir(name),
            2 => tar.link(name, target),
            _ => tar.add(EntryType::Link, name.as_bytes(), target.as_bytes(), 0o644, b""),
        };
        let packed = gzip(&entries.iter().fold(tar(), add).end());
        let home = home();
        fs::write(home.path.join("a"), "untouched").unwrap();
        let result = home.unpack(&packed, None, Limits::default());
        prop_assert_eq!(fs::read_to_string(home.path.join("a")).unwrap(), "untouched");
        prop_assert_eq!(fs::read_dir(&home.path).unwrap().count(), 3);
        if result.is_ok() {
            let root = home.path.join("root").canonicalize_utf8().unwrap();
            for (name, ..) in &entries {
                let name = name.split('/').filter(|part| *part != ".").skip(1).collect::<Vec<_>>().join("/");
                if let Ok(real) = root.join(name).canonicalize_utf8() {
                    prop_assert!(real.starts_with(&root), "{}", real);
                }
            }
        }
    }
}
