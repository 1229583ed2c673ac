//! What is not printed and not asked twice: passwords of mirrors, certificates that are refused, URLs
//! that nothing can be asked of.

use faults::{Answer, Server, Tls};

use crate::place::{Place, Source, Told, bytes};
use crate::skip::skip;

/// A repository whose image is locked; nobody has it.
fn locked() -> Place {
    let place = Place::new(&[Source {
        file: "a.tar".to_owned(),
        bytes: bytes(1, 4000),
        locations: vec!["http://127.0.0.1:1/a.tar".to_owned()],
    }]);
    place.lock(&[("kernel", &bytes(2, 4000))]);
    place
}

/// A server without files, and its address with a password.
fn empty_server() -> (Server, String) {
    let server = Server::start(|_| Answer::status("404 Not Found"));
    let address = server.base().replacen("http://", "http://me:geheim@", 1);
    (server, address)
}

fn says_no_password(told: &Told) {
    let all = format!("{}{}", told.stdout, told.stderr);
    assert!(!all.contains("geheim"), "{all}");
}

#[test]
fn passwords_of_mirrors_are_never_printed() {
    let (server, address) = empty_server();
    let place = locked();
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
        let told = place.run("store", args);
        assert_ne!(told.code, 0, "{args:?}");
        assert!(!told.stderr.is_empty(), "{args:?}");
        says_no_password(&told);
        assert!(!told.stderr.contains("ge/heim"), "{}", told.stderr);
    }
    for name in ["KILN_MIRROR", "KILN_DEBIAN_MIRROR"] {
        for value in [&address, "me:geheim@localhost"] {
            let told = Told::by(place.xtask("store", &["fetch", "-v"]).env(name, value));
            says_no_password(&told);
        }
    }
    let requests = server.requests();
    assert!(!requests.is_empty());
}

#[test]
fn mirrors_without_a_scheme_are_refused_at_once() {
    let place = locked();
    for (args, name) in [
        (["fetch", "--mirror=host/path"], "--mirror"),
        (["images", "--mirror=ftp://host/path"], "--mirror"),
        (["test", "--mirror=host/path"], "--mirror"),
        (["store", "list"], "KILN_MIRROR"),
        (["fetch", "--debian-mirror=/debian"], "--debian-mirror"),
    ] {
        let mut command = place.xtask("other-store", &args);
        if name == "KILN_MIRROR" {
            command.env(name, "host/path");
        }
        let told = Told::by(&mut command);
        assert_eq!(told.code, 2, "{args:?}: {}", told.stderr);
        let says = format!("{name}: expected a URL with `http://`, `https://` or `file://`");
        assert!(told.stderr.contains(&says), "{}", told.stderr);
    }
    assert!(!place.path().join("other-store").exists());
}

#[test]
fn untrusted_certificates_are_refused_once_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let Some(tls) = Tls::make(dir.path()) else {
        return skip("there is no `openssl` to make a certificate with");
    };
    let server = Server::start_tls(tls, |_| Answer::status("404 Not Found"));
    let place = locked();
    let mirror = format!("--mirror={}", server.base());
    for args in [
        &["fetch", &mirror][..],
        &["mirror-check", &server.base()],
        &["verify-release", &server.base()],
    ] {
        let told = place.run("store", args);
        assert_eq!(told.code, 102, "{args:?}: {}", told.stderr);
        for says in [
            "the server's certificate is not from a trusted authority",
            "help: ",
            "SSL_CERT_FILE",
        ] {
            assert!(told.stderr.contains(says), "{args:?}: {}", told.stderr);
        }
        for never in ["UnknownIssuer", "tries)", "again in"] {
            assert!(!told.stderr.contains(never), "{args:?}: {}", told.stderr);
        }
    }
}

#[test]
fn every_command_limits_time_for_silent_servers() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let place = locked();
    for command in ["mirror-check", "verify-release"] {
        let mut command = place.xtask("store", &[command, &address]);
        let told = Told::by(command.env("CARGO_HTTP_TIMEOUT", "1"));
        assert_eq!(told.code, 102, "{}", told.stderr);
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(all.contains("sent no data for 2 s"), "{all}");
    }
}
