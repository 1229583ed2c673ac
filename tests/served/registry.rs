//! A release in a registry.

use std::path::Path;

use harness::checkout::{ARCH, Checkout};
use harness::parts;
use libtest_mimic::Completion;
use plan::digest::Digest;
use serde_json::Value;

use crate::server::{Server, get};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const LOGIN: [(&str, &str); 2] = [
    ("KILN_REGISTRY_USER", "me"),
    ("KILN_REGISTRY_PASSWORD", "hidden"),
];

/// Configuration of a registry that accepts only `LOGIN`.
fn users(dir: &Path) -> String {
    let users = dir.join("users");
    // In the format of `htpasswd -B`.
    let hash = "me:$2y$04$abcdefghijklmnopqrstuuhZyWRsG7iAMo6rVsDQ6k6wZoOR22OE2\n";
    std::fs::write(&users, hash).unwrap();
    format!("auth:\n  htpasswd: {{realm: r, path: {}}}", users.display())
}

fn push(checkout: &Checkout, address: &str, login: &[(&str, &str)]) -> (i32, String, String) {
    let to = format!("oci://{address}/kiln/images:7");
    let mut command = checkout.command("store");
    command.args(["publish", "--arch", ARCH, "--version=7", "--to", &to]);
    parts(command.envs(login.iter().copied()).output().unwrap())
}

/// Fetches a blob or manifest and checks its digest.
fn pulled(address: &str, path: &str, accept: &str) -> Vec<u8> {
    let (status, bytes) = get(address, &format!("/v2/kiln/images/{path}"), accept);
    assert_eq!(status, 200, "{path}");
    if let Some((_, digest)) = path.split_once("sha256:") {
        assert_eq!(Digest::of(&bytes).to_string(), digest, "{path}");
    }
    bytes
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

pub(crate) fn a_registry_gives_back_what_it_was_pushed_and_is_pushed_it_once(
    checkout: &Checkout,
) -> Completion {
    let dir = tempfile::tempdir().unwrap();
    let registry = Server::registry(dir.path(), &dir.path().join("root"), "");
    let (code, out, err) = push(checkout, &registry.address, &[]);
    assert_eq!(code, 0, "{err}");
    let index = pulled(&registry.address, "manifests/7", INDEX);
    let digest = out
        .rsplit('(')
        .next()
        .unwrap()
        .trim_end()
        .trim_end_matches(')');
    assert_eq!(
        pulled(&registry.address, &format!("manifests/{digest}"), INDEX),
        index
    );
    let mut titles = Vec::new();
    for entry in json(&index)["manifests"].as_array().unwrap() {
        let path = format!("manifests/{}", entry["digest"].as_str().unwrap());
        let manifest = json(&pulled(&registry.address, &path, MANIFEST));
        for blob in manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .chain([&manifest["config"]])
        {
            let path = format!("blobs/{}", blob["digest"].as_str().unwrap());
            let bytes = pulled(&registry.address, &path, "*/*");
            assert_eq!(Some(bytes.len() as u64), blob["size"].as_u64(), "{blob}");
            let title = &blob["annotations"]["org.opencontainers.image.title"];
            titles.extend(title.as_str().map(str::to_owned));
        }
    }
    for title in ["kernel", "initramfs.cpio", "kiln-7-source.tar"] {
        assert!(titles.iter().any(|its| its == title), "{titles:?}");
    }
    let uploads = |registry: &Server| {
        let log = registry.log();
        let uploads = log
            .lines()
            .filter(|line| line.contains("\"POST ") || line.contains("/uploads/"));
        uploads.count()
    };
    assert!(uploads(&registry) > 10, "{}", registry.log());
    drop(registry);
    // From now on the registry requires a login. It already has all files.
    let root = dir.path().join("root");
    let registry = Server::registry(dir.path(), &root, &users(dir.path()));
    let (code, again, err) = push(checkout, &registry.address, &LOGIN);
    assert_eq!(code, 0, "{err}");
    assert_eq!(again.rsplit('(').next(), out.rsplit('(').next());
    assert_eq!(uploads(&registry), 0, "{}", registry.log());
    // Another release cannot take this one's tag.
    let to = format!("oci://{}/kiln/images:7", registry.address);
    let mut other = checkout.command("store");
    other.args(["publish", "--arch", ARCH, "--version=8", "--to", &to]);
    let (code, _, err) = parts(other.envs(LOGIN).output().unwrap());
    let message = "`manifests/7` is already published with different content";
    assert!(code == 102 && err.contains(message), "{code}: {err}");
    assert_eq!(uploads(&registry), 0, "{}", registry.log());
    Completion::Completed
}

fn refused(checkout: &Checkout, address: &str, login: &[(&str, &str)], why: &str, mends: &str) {
    let (code, out, err) = push(checkout, address, login);
    let is_explained = err.contains(why) && err.contains(mends);
    assert!(code == 102 && is_explained, "{code}: {out}{err}");
    assert!(!err.contains("hidden"), "{err}");
}

pub(crate) fn a_registry_that_refuses_has_no_tag_and_the_error_says_what_mends_it(
    checkout: &Checkout,
) -> Completion {
    let untagged = |root: &Path| {
        let tags = root.join("docker/registry/v2/repositories/kiln/images/_manifests/tags");
        assert!(!tags.exists(), "something is tagged");
    };

    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let registry = Server::registry(dir.path(), &root, &users(dir.path()));
    refused(
        checkout,
        &registry.address,
        &[],
        "status 401",
        "KILN_REGISTRY_PASSWORD",
    );
    let wrong = [LOGIN[0], ("KILN_REGISTRY_PASSWORD", "another")];
    refused(
        checkout,
        &registry.address,
        &wrong,
        "status 401",
        "KILN_REGISTRY_PASSWORD",
    );
    untagged(&root);

    // The registry is read-only.
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let registry = Server::registry(
        dir.path(),
        &root,
        "  maintenance: {readonly: {enabled: true}}",
    );
    refused(checkout, &registry.address, &[], "status 405", "read-only");
    untagged(&root);
    drop(registry);

    // A proxy in front of the registry refuses large requests.
    let registry = Server::registry(dir.path(), &root, "");
    let pass = format!(
        "location / {{ client_max_body_size 1m; proxy_pass http://{}; proxy_set_header Host $http_host; }}",
        registry.address
    );
    let proxy = Server::nginx(dir.path(), dir.path(), &pass);
    refused(
        checkout,
        &proxy.address,
        &[],
        "status 413",
        "raise the limit",
    );
    untagged(&root);
    drop((proxy, registry));
    Completion::Completed
}

pub(crate) fn a_registry_whose_disk_fills_up_has_no_tag(checkout: &Checkout) -> Completion {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let Some(registry) = Server::registry_on_a_small_disk(dir.path(), &root, "2m") else {
        return Completion::ignored_with("nobody may mount a small disk");
    };
    refused(
        checkout,
        &registry.address,
        &[],
        "status 500",
        "free disk space",
    );
    let (status, _) = get(&registry.address, "/v2/kiln/images/manifests/7", INDEX);
    assert_eq!(status, 404);
    Completion::Completed
}
