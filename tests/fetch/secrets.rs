//! Tests that passwords of mirrors are not printed, and that refused certificates and unusable URLs
//! are not retried.

use faults::{Answer, Server, Tls};

use harness::small::{SmallRepo, Source, bytes};
use harness::{Output, skip};

/// A repository with a locked image that no mirror has.
fn locked() -> SmallRepo {
    let repo = SmallRepo::new(&[Source {
        file: "a.tar".to_owned(),
        bytes: bytes(1, 4000),
        locations: vec!["http://127.0.0.1:1/a.tar".to_owned()],
    }]);
    repo.lock(&[("kernel", &bytes(2, 4000))]);
    repo
}

/// A server without files, and its URL with a password.
fn empty_server() -> (Server, String) {
    let server = Server::start(|_| Answer::status("404 Not Found"));
    let address = server.base().replacen("http://", "http://me:geheim@", 1);
    (server, address)
}

fn says_no_password(output: &Output) {
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(!all.contains("geheim"), "{all}");
}

#[test]
fn passwords_of_mirrors_are_never_printed() {
    let (server, address) = empty_server();
    let repo = locked();
    let mirror = format!("--mirror={address}");
    for args in [
        &["fetch", &mirror][..],
        &["images", &mirror, "--no-sandbox"],
        &["images", &mirror, "--message-format=json"],
        &["fetch", &mirror, "--offline"],
        &["mirror-check", &address],
        &["mirror-check", &address, "--offline"],
        &["mirror-check", &address, "--message-format=json"],
        &["verify-release", &address],
        &["publish", "--to", &address],
        &["publish", "--to=DIR", "--url", &address],
        &["unpublish", "kiln-1", "--from", &address],
        &["publish", "--to", "oci://me:geheim@localhost/name"],
        &["fetch", "--mirror=me:geheim@localhost"],
        &["fetch", "--debian-mirror=me:geheim@localhost"],
        &["fetch", "--mirror=http://me:ge/heim@localhost:x"],
    ] {
        let output = repo.run("store", args);
        assert_ne!(output.code, 0, "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
        says_no_password(&output);
        assert!(!output.stderr.contains("ge/heim"), "{}", output.stderr);
    }
    for name in ["KILN_MIRROR", "KILN_DEBIAN_MIRROR"] {
        for value in [&address, "me:geheim@localhost"] {
            let output = Output::of(repo.xtask("store", &["fetch", "-v"]).env(name, value));
            says_no_password(&output);
        }
    }
    let requests = server.requests();
    assert!(!requests.is_empty());
}

#[test]
fn mirrors_without_a_scheme_are_refused_at_once() {
    let repo = locked();
    for (args, name) in [
        (["fetch", "--mirror=host/path"], "--mirror"),
        (["images", "--mirror=ftp://host/path"], "--mirror"),
        (["test", "--mirror=host/path"], "--mirror"),
        (["store", "list"], "KILN_MIRROR"),
        (["fetch", "--debian-mirror=/debian"], "--debian-mirror"),
    ] {
        let mut command = repo.xtask("other-store", &args);
        if name == "KILN_MIRROR" {
            command.env(name, "host/path");
        }
        let output = Output::of(&mut command);
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        let says = format!("{name}: expected a URL with `http://`, `https://` or `file://`");
        assert!(output.stderr.contains(&says), "{}", output.stderr);
    }
    assert!(!repo.path().join("other-store").exists());
}

#[test]
fn untrusted_certificates_are_refused_once_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let Some(tls) = Tls::make(dir.path()) else {
        return skip("`openssl` is not installed");
    };
    let server = Server::start_tls(tls, |_| Answer::status("404 Not Found"));
    let repo = locked();
    let mirror = format!("--mirror={}", server.base());
    for args in [
        &["fetch", &mirror][..],
        &["mirror-check", &server.base()],
        &["verify-release", &server.base()],
    ] {
        let output = repo.run("store", args);
        assert_eq!(output.code, 102, "{args:?}: {}", output.stderr);
        for says in [
            "the server's certificate is not from a trusted authority",
            "help: ",
            "SSL_CERT_FILE",
        ] {
            assert!(output.stderr.contains(says), "{args:?}: {}", output.stderr);
        }
        for never in ["UnknownIssuer", "tries)", "again in"] {
            assert!(
                !output.stderr.contains(never),
                "{args:?}: {}",
                output.stderr
            );
        }
    }
}

#[test]
fn every_command_limits_time_for_silent_servers() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let repo = locked();
    for command in ["mirror-check", "verify-release"] {
        let mut command = repo.xtask("store", &[command, &address]);
        let output = Output::of(command.env("CARGO_HTTP_TIMEOUT", "1"));
        assert_eq!(output.code, 102, "{}", output.stderr);
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains("sent no data for 2 s"), "{all}");
    }
}
