//! Plants strings in every kind of output and checks that they are located.

use super::*;

fn tokens() -> Tokens {
    Tokens::of(&Machine {
        host: "anvil7".to_owned(),
        user: "wieland".to_owned(),
        home: "/home/wieland".to_owned(),
        store: "/srv/cache/kiln".to_owned(),
        checkout: "/home/wieland/kiln".to_owned(),
        temporary: "/tmp".to_owned(),
    })
}

/// The findings in a tree that `make` fills.
fn found(make: impl FnOnce(&Utf8Path)) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let tree = Utf8Path::from_path(scratch.path()).unwrap();
    make(tree);
    let found = scan(tree, &tokens()).unwrap();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn leaks_in_all_file_kinds_are_located() {
    let leaks = found(|tree| {
        fs_err::create_dir(tree.join("bin")).unwrap();
        fs_err::write(tree.join("bin/banner"), "one\ntwo (x@anvil7)\n").unwrap();
        fs_err::write(tree.join("built-by-wieland"), "").unwrap();
        fs_err::os::unix::fs::symlink("/srv/cache/kiln/v1/x", tree.join("link")).unwrap();
        let entry = |path: &str, text: &str| plan::cpio::Entry {
            path: path.to_owned(),
            mode: 0o644,
            node: plan::cpio::Node::File(text.as_bytes().to_vec()),
        };
        let entries = [entry("init", "#!/bin/sh\n# /home/wieland/kiln/init\n")];
        let archive = plan::cpio::archive(&entries, 0).unwrap();
        fs_err::write(tree.join("initramfs.cpio"), archive).unwrap();
        fs_err::write(tree.join("raw"), b"\xff\0\0/srv/cache/kiln/tmp\0").unwrap();
    });
    let line = "line 2: \"# /home/wieland/kiln/init\"";
    assert_eq!(
        leaks,
        [
            "the host name `anvil7` is in `bin/banner`, line 2: \"two (x@anvil7)\"".to_owned(),
            "the user name `wieland` is in `built-by-wieland`, in its name".to_owned(),
            format!("the checkout `/home/wieland/kiln` is in `initramfs.cpio`, entry init, {line}"),
            format!(
                "the home directory `/home/wieland` is in `initramfs.cpio`, entry init, {line}"
            ),
            format!("the user name `wieland` is in `initramfs.cpio`, entry init, {line}"),
            "the store `/srv/cache/kiln` is in `link`, its target: /srv/cache/kiln/v1/x".to_owned(),
            "the store `/srv/cache/kiln` is in `raw`, byte 0x3: \"/srv/cache/kiln/tmp\"".to_owned(),
        ]
    );
}

#[test]
fn common_and_longer_words_are_not_leaks() {
    let leaks = found(|tree| {
        let text = "/tmp /home/wielands anvil77 unwieland_ /srv/cache/kilns\n";
        fs_err::write(tree.join("text"), text).unwrap();
    });
    assert_eq!(leaks, [""; 0]);
}

#[test]
fn match_across_two_chunks_is_found() {
    for back in 0..=7 {
        let leaks = found(|tree| {
            let mut bytes = vec![b' '; 2 * PIECE + 100];
            let at = PIECE - back;
            bytes[at..at + 6].copy_from_slice(b"anvil7");
            fs_err::write(tree.join("kernel"), bytes).unwrap();
        });
        assert_eq!(leaks.len(), 1, "{back} bytes before the end: {leaks:?}");
    }
}
