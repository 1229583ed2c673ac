use super::*;

fn read(variables: &[(&str, &[u8])]) -> Result<Env, EnvError> {
    Env::from_variables(|wanted| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| OsStr::from_bytes(value).to_owned())
    })
}

fn env(variables: &[(&str, &str)]) -> Env {
    let bytes = variables
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    read(&bytes.collect::<Vec<_>>()).unwrap()
}

#[test]
fn invalid_value_is_refused() {
    let check = |name: &str, value: &[u8], expect: Option<&str>| {
        let error = read(&[(name, value)]).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expect, "{name}");
    };
    for name in [
        "KILN_STORE",
        "KILN_MIRROR",
        "KILN_DEBIAN_MIRROR",
        "KILN_QEMU",
        "KILN_REGISTRY_PASSWORD",
        "AWS_REGION",
        "HOME",
        "PATH",
        "TMPDIR",
        "TERM",
    ] {
        let expect =
            format!("invalid environment variable `{name}`: expected UTF-8, found other bytes");
        check(name, b"/a\xff", Some(&expect));
    }
    check("NO_COLOR", b"\xff", None);
    check("CARGO_NET_OFFLINE", b"off", None);
    let expect = "expected `true` or `false`, found `maybe\\x1b`";
    let named = |name: &str| format!("invalid environment variable `{name}`: {expect}");
    check(
        "CARGO_NET_OFFLINE",
        b"maybe\x1b",
        Some(&named("CARGO_NET_OFFLINE")),
    );
    check(
        "GITHUB_ACTIONS",
        b"maybe\x1b",
        Some(&named("GITHUB_ACTIONS")),
    );
    check(
        "CARGO_HTTP_TIMEOUT",
        b"5s",
        Some(
            "invalid environment variable `CARGO_HTTP_TIMEOUT`: expected a number of seconds, found `5s`",
        ),
    );
    check(
        "CARGO_TERM_COLOR",
        b"red",
        Some(
            "invalid environment variable `CARGO_TERM_COLOR`: expected `auto`, `always` or `never`, found `red`",
        ),
    );
    let hint = read(&[("KILN_STORE", b"\xff")]).unwrap_err().hint();
    assert_eq!(hint.as_deref(), Some("unset KILN_STORE"));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let empty = env(&[
        ("KILN_STORE", ""),
        ("NO_COLOR", ""),
        ("TMPDIR", ""),
        ("CI", ""),
    ]);
    assert_eq!(empty, env(&[]));
    assert_eq!(empty.temp_dir, "/tmp");
}

#[test]
fn secret_variables_are_recognised_by_name_or_value() {
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("KILN_REGISTRY_USER", "x"),
        ("KILN_SIGN_PASSWORD", "x"),
        ("CARGO_REGISTRY_TOKEN", "x"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x"),
        ("github_token", "x"),
        ("KILN_MIRROR", "https://a, https://me:secret@b"),
        ("https_proxy", "http://me:secret@proxy:3128"),
    ] {
        assert!(is_secret(name, value), "{name}");
    }
    for (name, value) in [
        ("PATH", "/bin"),
        ("KILN_MIRROR", "https://a"),
        ("KEYBOARD", "us"),
        ("https_proxy", "http://proxy:3128"),
        ("SSH_AUTH_SOCK", "/run/x@y"),
    ] {
        assert!(!is_secret(name, value), "{name}");
    }
}

#[test]
fn lists_are_split() {
    let env = env(&[
        ("KILN_MIRROR", "https://a, https://b/x"),
        ("PATH", "/bin::rel:/usr/bin"),
    ]);
    assert_eq!(
        env.kiln_mirrors,
        ["https://a", "https://b/x"].map(SecretUrl::from)
    );
    assert_eq!(env.path, ["/bin", "/usr/bin"]);
}

#[test]
fn store_follows_variable_then_cache() {
    let check = |store: Option<&str>, cache: Option<&str>, expect: Option<&str>| {
        let env = Env {
            kiln_store: store.map(Utf8PathBuf::from),
            cache_dir: cache.map(Utf8PathBuf::from),
            current_dir: Utf8PathBuf::from("/here"),
            ..env(&[])
        };
        assert_eq!(env.store_dir().as_deref(), expect.map(Utf8Path::new));
    };
    check(None, Some("/home/me/.cache"), Some("/home/me/.cache/kiln"));
    check(Some("/store"), Some("/home/me/.cache"), Some("/store"));
    check(Some("store"), None, Some("/here/store"));
    check(None, None, None);
}

#[test]
fn colour_follows_cargo_no_color_and_terminal() {
    let check = |variables: &[(&str, &str)], terminal: bool, expect: bool| {
        assert_eq!(env(variables).colour(terminal), expect, "{variables:?}");
    };
    check(&[], true, true);
    check(&[], false, false);
    check(&[("NO_COLOR", "1")], true, false);
    check(&[("TERM", "dumb")], true, false);
    check(
        &[("CARGO_TERM_COLOR", "always"), ("NO_COLOR", "1")],
        false,
        true,
    );
    check(&[("CARGO_TERM_COLOR", "never")], true, false);
    check(&[("CARGO_TERM_COLOR", "auto")], true, true);
}

#[test]
fn silent_server_is_abandoned_after_timeout() {
    for (value, connect, stall) in [("", 10, 30), ("5", 5, 5), ("90", 10, 90), ("0", 10, 30)] {
        let limits = env(&[("CARGO_HTTP_TIMEOUT", value)]).http_limits();
        let expect = (Duration::from_secs(connect), Duration::from_secs(stall));
        assert_eq!((limits.connect, limits.stall), expect, "{value}");
    }
}

#[test]
fn truth_values() {
    let check = |value: &str, offline: bool, ci: bool| {
        let env = env(&[("CARGO_NET_OFFLINE", value), ("CI", value)]);
        assert_eq!((env.cargo_net_offline, env.ci), (offline, ci), "{value}");
    };
    check("true", true, true);
    check("1", true, true);
    check("false", false, false);
    assert!(env(&[("CI", "woodpecker")]).ci);
}

#[test]
fn loader_variables_distinguish_environments() {
    let plain = env(&[]).loader;
    for name in ["LD_LIBRARY_PATH", "LD_PRELOAD", "QEMU_MODULE_DIR"] {
        assert_ne!(env(&[(name, "/elsewhere")]).loader, plain, "{name}");
    }
    assert_eq!(env(&[("LD_PRELOAD", "")]).loader, plain);
}
