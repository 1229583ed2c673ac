//! Proxies and credentials in URLs: each server gets only its own credentials.

use std::path::Path;
use std::thread;

use faults::{Answer, Nobody, Server};

use harness::Output;
use harness::small::{SmallRepo, Source, bytes};

/// `me:secret` in base 64.
const AUTHORIZATION: &str = "Basic bWU6c2VjcmV0";

fn one_source(url: &str) -> SmallRepo {
    SmallRepo::new(&[Source {
        file: "a.tar".to_owned(),
        bytes: content(),
        locations: vec![url.to_owned()],
    }])
}

fn content() -> Vec<u8> {
    bytes(1, 4000)
}

fn serve() -> Server {
    Server::play(vec![Answer::status("200 OK").bytes(content())])
}

/// Fetches with these environment variables.
fn fetch(repo: &SmallRepo, variables: &[(&str, &str)]) -> Output {
    let mut command = repo.xtask("store", &["fetch", "-v"]);
    command.envs(variables.iter().copied());
    let output = Output::of(&mut command);
    is_silent(repo, "store", &output);
    output
}

/// Fails if a password was printed or stored.
fn is_silent(repo: &SmallRepo, store: &str, output: &Output) {
    let printed = format!("{}{}", output.stdout, output.stderr);
    assert!(!printed.contains("secret"), "{printed}");
    for part in repo.parts(store) {
        let text = String::from_utf8_lossy(&std::fs::read(&part).unwrap()).into_owned();
        assert!(!text.contains("secret"), "{}: {text}", part.display());
    }
}

#[test]
fn environment_proxy_receives_its_password() {
    let proxy = serve();
    let repo = one_source("http://files.invalid/a.tar");
    let address = proxy.base_as("me", "secret");
    let output = fetch(&repo, &[("http_proxy", &address)]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let request = &proxy.requests()[0];
    assert_eq!(request.target, "http://files.invalid/a.tar");
    assert_eq!(request.header("proxy-authorization"), Some(AUTHORIZATION));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
}

#[test]
fn no_proxy_host_is_contacted_directly() {
    let (proxy, server) = (serve(), serve());
    let repo = one_source(&format!("{}/a.tar", server.base()));
    let address = proxy.base();
    let variables = [("http_proxy", address.as_str()), ("no_proxy", "127.0.0.1")];
    assert_eq!(fetch(&repo, &variables).code, 0);
    assert_eq!((proxy.requests().len(), server.requests().len()), (0, 1));
    assert_eq!(server.requests()[0].target, "/a.tar");
}

#[test]
fn refused_tunnel_error_hides_password() {
    let proxy = Server::play(vec![Answer::status("403 Forbidden")]);
    let repo = one_source("https://files.invalid/a.tar");
    let address = proxy.base_as("me", "secret");
    let output = fetch(&repo, &[("https_proxy", &address)]);
    assert_eq!(output.code, 102);
    let request = &proxy.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("CONNECT", "files.invalid:443")
    );
    assert_eq!(request.header("proxy-authorization"), Some(AUTHORIZATION));
    let message = "https://files.invalid/a.tar: failed to connect: ";
    assert!(output.stderr.contains(message), "{}", output.stderr);
}

#[test]
fn unreachable_proxy_error_hides_password() {
    let nobody = Nobody::there();
    let repo = one_source("http://files.invalid/a.tar");
    let address = nobody.base().replace("http://", "http://me:secret@");
    let output = fetch(&repo, &[("http_proxy", &address)]);
    assert_eq!(output.code, 102);
    output.stderr_has(["Connection refused"]);
}

#[test]
fn redirect_past_proxy_drops_password() {
    let server = serve();
    let proxy = Server::play(vec![Answer::redirect(&format!("{}/b", server.base()))]);
    let repo = one_source("http://you:secret@files.invalid/a.tar");
    let address = proxy.base_as("me", "secret");
    let variables = [("http_proxy", address.as_str()), ("no_proxy", "127.0.0.1")];
    let output = fetch(&repo, &variables);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let request = &server.requests()[0];
    for name in ["authorization", "proxy-authorization", "cookie", "referer"] {
        assert_eq!(request.header(name), None, "{request:?}");
    }
}

#[test]
fn mirror_password_is_never_printed_or_stored() {
    let begun = || Answer::status("200 OK").bytes(content()).cut(1000);
    let mirror = Server::play(vec![begun().header("ETag", "\"1\"")]);
    let repo = one_source("http://you:secret@127.0.0.1:1/a.tar");
    repo.lock(&[("kernel", &content())]);
    let base = mirror.base_as("me", "secret");
    let option = format!("--mirror={base}");
    let check = |store: &str, args: &[&str]| {
        let output = repo.run(store, &[args, &[&option]].concat());
        assert_eq!(output.code, 102, "{args:?}: {}", output.stderr);
        output.stderr_has(["http://***@127.0.0.1:"]);
        is_silent(&repo, store, &output);
        is_nowhere(&repo.path().join(store));
    };
    thread::scope(|scope| {
        scope.spawn(|| check("sources", &["fetch", "--sources", "-v"]));
        scope.spawn(|| check("json", &["fetch", "--message-format=json"]));
        scope.spawn(|| check("offline", &["fetch", "--offline"]));
        scope.spawn(|| check("images", &["images"]));
    });
    assert!(!repo.parts("sources").is_empty());
    let sent = mirror.requests();
    let authorized =
        |request: &faults::Request| request.header("authorization") == Some(AUTHORIZATION);
    assert!(sent.iter().all(authorized), "{sent:?}");
}

/// Fails if a file below a directory contains the password.
fn is_nowhere(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            is_nowhere(&path);
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains("secret"), "{}", path.display());
        }
    }
}
