//! `images --image debian`: an image of the packages in a lock, and what is wrong with them.

use std::path::Path;
use std::process::Command;

use faults::{Answer, Server};
use harness::small::{ARCH, SmallRepo};
use harness::{Output, run, write};
use harness::{skip, unsuited};
use plan::digest::Digest;
use plan::distribution::Distribution;

const SETTINGS: &str = r#"
suite = "bookworm"
architectures = { alpha = "amd64" }
memory = "512M"
append = ""
boot-timeout-factor = 4
packages = ["tool"]
"#;
const POOL: &str = "pool/main/t/tool/tool_1_amd64.deb";
const SHA1: &str = "d2ad53065f74afc1280d795570d8cc7258f909e1";

/// A package with one program.
fn package() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(&path("control/control"), "Package: tool\nVersion: 1\n");
    write(&path("data/usr/bin/tool"), "#!/bin/sh\n");
    write(&path("debian-binary"), "2.0\n");
    let members = ["control", "data"].map(|name| {
        let mut tar = Command::new("tar");
        tar.args(["--owner=0", "--group=0", "--mtime=@0", "-czf"]);
        run(tar
            .arg(path(&format!("{name}.tar.gz")))
            .arg("-C")
            .arg(path(name))
            .arg("."));
        path(&format!("{name}.tar.gz"))
    });
    let mut ar = Command::new("ar");
    run(ar
        .arg("rcD")
        .arg(path("tool.deb"))
        .arg(path("debian-binary"))
        .args(members));
    std::fs::read(path("tool.deb")).unwrap()
}

/// A repository whose lock has the package and an image.
fn repository(package: &[u8], image: &str) -> SmallRepo {
    let repo = SmallRepo::new(&[]);
    let (settings, size, sha256) = (
        Distribution::parse(SETTINGS).unwrap().digest(),
        package.len(),
        Digest::of(package),
    );
    repo.write("images/common/debian.toml", SETTINGS);
    let lock = format!(
        "version = 1\nsettings = \"{settings}\"\n[image]\nsize = 4096\nsha256 = \"{image}\"\n\n[[package]]\n\
         name = \"tool\"\nversion = \"1\"\nsize = {size}\nsha256 = \"{sha256}\"\n\
         locations = [\"debian:{POOL}\", \"debian-snapshot:{SHA1}\"]\n"
    );
    repo.write(&format!("images/{ARCH}/debian.lock"), &lock);
    repo
}

/// Serves one file, and nothing else.
fn serve(path: &'static str, bytes: Vec<u8>) -> Server {
    Server::start(move |request| {
        if request.target.ends_with(path) {
            Answer::status("200 OK").bytes(bytes.clone())
        } else {
            Answer::status("404 Not Found")
        }
    })
}

fn make(repo: &SmallRepo, store: &str, server: &Server, options: &[&str]) -> Output {
    let mirror = format!("--debian-mirror={}", server.base());
    let snapshot = format!("--debian-snapshot={}/snapshot/", server.base());
    let args = ["images", "--image=debian", &mirror, &snapshot];
    repo.run(store, &[&args, options].concat())
}

/// The digest of the image that the package makes, which the error about another one in the lock has.
fn digest(package: &[u8], server: &Server) -> String {
    let output = make(&repository(package, &"0".repeat(64)), "store", server, &[]);
    assert_eq!(output.code, 101, "{}", output.stderr);
    let (_, found) = output.stderr.split_once(", found ").unwrap();
    found.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn image_of_locked_packages_is_reproducible() {
    let package = package();
    let server = serve(POOL, package.clone());
    let digest = digest(&package, &server);
    let repo = repository(&package, &digest);
    for store in ["one", "two"] {
        let output = make(&repo, store, &server, &[]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let path = output.stdout.trim().rsplit(' ').next().unwrap();
        assert_eq!(
            Digest::of(&std::fs::read(path).unwrap()).to_string(),
            digest
        );
    }
    let asked = server.requests().len();
    let output = make(&repo, "one", &server, &["--offline"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let output = make(&repo, "empty", &server, &["--offline"]);
    assert_eq!(output.code, 102, "{}", output.stderr);
    output.stderr_has([
        "tool_1_amd64.deb",
        "with a network: cargo xtask images --image debian",
    ]);
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn package_that_left_the_mirror_comes_from_snapshot() {
    let package = package();
    let digest = digest(&package, &serve(POOL, package.clone()));
    let repo = repository(&package, &digest);
    let output = make(&repo, "store", &serve(SHA1, package.clone()), &[]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let mut other = package;
    other[100] ^= 1;
    let check = |server: &Server, expect: &str| {
        let output = make(&repo, "other", server, &[]);
        assert_eq!(output.code, 102);
        let hint = "lock the present versions: cargo xtask images --image debian --relock";
        output.stderr_has([expect, hint]);
    };
    check(&serve(POOL, other), "digest mismatch");
    check(&serve("nothing", Vec::new()), "HTTP status 404");
}

#[test]
fn relock_refuses_an_invalid_signature() {
    let keys = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
    if host::tools::find("gpgv").is_none() {
        return skip("gpgv is not installed");
    }
    if !keys.is_file() {
        return unsuited("no debian-archive-keyring");
    }
    let package = package();
    let repo = repository(&package, &"0".repeat(64));
    repo.write("guest-tests/boot/true.sh", "in_guest() {\n    :\n}\n");
    let lock = format!("images/{ARCH}/debian.lock");
    let before = repo.read(&lock);
    let index = format!(
        "SHA256:\n {} 1 main/binary-amd64/Packages.xz\n",
        "0".repeat(64)
    );
    let forged = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{index}-----BEGIN PGP SIGNATURE-----\n\n\
         iHUEARYIAB0WIQTG\n-----END PGP SIGNATURE-----\n"
    );
    for release in [&index, &forged] {
        let server = serve("dists/bookworm/InRelease", release.clone().into_bytes());
        let output = make(&repo, "store", &server, &["--relock", "--arch=alpha"]);
        assert_eq!(output.code, 101, "{} {}", output.stdout, output.stderr);
        for expect in [
            "the signature of Debian's `dists/bookworm/InRelease` is not valid",
            "set another mirror with --debian-mirror URL",
        ] {
            assert!(output.stderr.contains(expect), "{}", output.stderr);
        }
        assert_eq!(server.requests().len(), 1);
    }
    let server = serve("nothing", Vec::new());
    let output = make(&repo, "store", &server, &["--relock", "--arch=alpha"]);
    assert_eq!(output.code, 102, "{}", output.stderr);
    output.stderr_has(["InRelease", "set another mirror with --debian-mirror URL"]);
    assert_eq!(repo.read(&lock), before);
}

#[test]
fn outdated_lock_and_unknown_architecture_are_errors() {
    let package = package();
    let server = serve(POOL, package.clone());
    let check = |settings: &str, error: &str, hint: &str| {
        let repo = repository(&package, &"0".repeat(64));
        repo.write("images/common/debian.toml", settings);
        let output = make(&repo, "store", &server, &["--arch=alpha"]);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(error), "{}", output.stderr);
        assert!(output.stderr.contains(hint), "{}", output.stderr);
    };
    check(
        &SETTINGS.replace("bookworm", "trixie"),
        "`images/alpha/debian.lock` is for other settings than those of `images/common/debian.toml`",
        "cargo xtask images --image debian --relock --arch alpha",
    );
    let other = SETTINGS.replace("alpha", "beta");
    check(
        &other,
        "no image with Debian for alpha: expected one of beta",
        "",
    );
    assert!(server.requests().is_empty());
}
