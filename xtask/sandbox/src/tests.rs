use camino::Utf8PathBuf;
use plan::step::Script;

use super::*;

fn script() -> Script {
    let env = [
        ("SRC", "/src"),
        ("IN", "/in"),
        ("FILES", "/files"),
        ("BUILD", "/build"),
        ("OUT", "/out"),
        ("TC", "/tc/s390x-linux-musl"),
        ("HOME", "/build"),
        ("PATH", "/tools:/tc/s390x-linux-musl/bin"),
        ("LC_ALL", "C"),
        ("EXTRA", "/src is a word here"),
    ];
    Script {
        text: "true\n".to_owned(),
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        tools: vec!["sh".to_owned()],
        toolchain_path: Some("/tc/s390x-linux-musl".to_owned()),
    }
}

fn places() -> Places {
    Places {
        work: "/store/v1/tmp/x/scratch".into(),
        out: "/store/v1/tmp/x/entry/out".into(),
        sources: [("musl".to_owned(), "/store/v1/tree/1/root".into())].into(),
        inputs: [("linux-headers".to_owned(), "/store/v1/entries/2/out".into())].into(),
        toolchain: Some("/store/v1/entries/3-h/out".into()),
    }
}

fn bubblewrap_here() -> Sandboxing {
    let root = HostRoot {
        base: None,
        entries: vec![
            RootEntry::Link {
                path: "/bin".into(),
                target: "usr/bin".into(),
            },
            RootEntry::Shown("/etc/alternatives".into()),
            RootEntry::Shown("/usr".into()),
        ],
    };
    Sandboxing::Bubblewrap {
        program: "/usr/bin/bwrap".into(),
        root,
        clock: None,
    }
}

/// One line per option with its values.
fn lines(launch: &Launch) -> String {
    let mut text = String::new();
    for word in &launch.argv {
        text.push_str(if word.starts_with("--") { "\n" } else { " " });
        text.push_str(word);
    }
    for (name, value) in &launch.env {
        text.extend(["\n", name, "=", value]);
    }
    format!("{}\nin {}", text.trim(), launch.directory)
}

#[test]
fn sandboxed_script_sees_fixed_paths() {
    insta::assert_snapshot!(lines(&launch(&bubblewrap_here(), &script(), &places())));
}

#[test]
fn unsandboxed_script_sees_real_paths() {
    let plain = Sandboxing::None { why: None };
    insta::assert_snapshot!(lines(&launch(&plain, &script(), &places())));
}

#[test]
fn links_replace_sandbox_mounts() {
    let links: Vec<_> = links(&script(), &places())
        .into_iter()
        .map(|(path, target)| format!("{path} -> {target}"))
        .collect();
    assert_eq!(
        links,
        [
            "/store/v1/tmp/x/scratch/in/linux-headers -> /store/v1/entries/2/out",
            "/store/v1/tmp/x/scratch/src/musl -> /store/v1/tree/1/root",
            "/store/v1/tmp/x/scratch/tc/s390x-linux-musl -> /store/v1/entries/3-h/out",
        ]
    );
}

#[test]
fn script_without_architecture_has_no_toolchain() {
    let script = Script {
        toolchain_path: None,
        ..script()
    };
    let launch = launch(&bubblewrap_here(), &script, &places());
    assert!(!launch.argv.iter().any(|word| word.starts_with("/tc")));
}

#[test]
fn disabled_sandbox_is_not_probed() {
    let found = probe(SandboxChoice::Off, &HostRoot::default(), &[]);
    assert_eq!(found, Sandboxing::None { why: None });
}

#[test]
fn missing_bubblewrap_is_reported() {
    let found = probe(SandboxChoice::Auto, &HostRoot::default(), &[]);
    let why = "`bwrap` (bubblewrap) is not installed".to_owned();
    assert_eq!(found, Sandboxing::None { why: Some(why) });
}

#[test]
fn sandbox_that_cannot_start_gives_its_own_reason() {
    // An empty root directory has no shell.
    let path: Vec<Utf8PathBuf> = vec!["/usr/bin".into(), "/bin".into()];
    if let Sandboxing::None { why: Some(why) } =
        probe(SandboxChoice::Auto, &HostRoot::default(), &path)
    {
        // The message of `bwrap` or of the kernel, not that bubblewrap is missing.
        assert!(why.contains("bwrap: "), "{why}");
    } else {
        panic!("a sandbox without a shell cannot run one");
    }
}
