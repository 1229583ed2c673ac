//! Releases that are wrong but consistently signed, as a careless publisher makes them.

use std::process::Command;

use harness::release::{ARCH, RELEASE, Release, sha256};
use harness::run;
use serde_json::Value;

/// Changes a text of the release and updates `SHA256SUMS`.
pub(crate) fn rewrite(release: &Release, name: &str, change: impl FnOnce(String) -> String) {
    let path = release.file(name);
    let text = change(std::fs::read_to_string(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, text).unwrap();
    let sum = sha256(&path);
    let sums = release.file("SHA256SUMS");
    let listed = std::fs::read_to_string(&sums).unwrap();
    let lines = listed.lines().map(|line| match line.split_once("  ") {
        Some((_, path)) if path == name => format!("{sum}  {name}\n"),
        _ => format!("{line}\n"),
    });
    let listed: String = lines.collect();
    std::fs::write(sums, listed).unwrap();
}

/// Publishes a bundle that lacks a path, with consistent checksums.
pub(crate) fn take_from_bundle(release: &Release, path: &str) {
    let name = format!("{RELEASE}-source.tar");
    let bundle = release.file(&name);
    let (unpacked, root) = (release.path("unpacked"), format!("{RELEASE}-source"));
    std::fs::create_dir_all(&unpacked).unwrap();
    run(Command::new("tar")
        .arg("xf")
        .arg(&bundle)
        .arg("-C")
        .arg(&unpacked));
    let gone = unpacked.join(&root).join(path);
    if gone.is_dir() {
        std::fs::remove_dir_all(gone).unwrap();
    } else {
        std::fs::remove_file(gone).unwrap();
    }
    std::fs::remove_file(&bundle).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("cf")
        .arg(&bundle)
        .arg("-C")
        .arg(&unpacked)
        .arg(&root);
    run(&mut tar);
    std::fs::remove_dir_all(unpacked).unwrap();
    let (sum, size) = (sha256(&bundle), std::fs::metadata(&bundle).unwrap().len());
    rewrite(release, &format!("{ARCH}/manifest.json"), |text| {
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest["bundle"]["sha256"] = sum.clone().into();
        manifest["bundle"]["size"] = size.into();
        manifest.to_string()
    });
    let sums = release.file("SHA256SUMS");
    let listed = std::fs::read_to_string(&sums).unwrap();
    let lines = listed.lines().filter(|line| !line.ends_with(&name));
    let listed: String = lines.flat_map(|line| [line, "\n"]).collect();
    std::fs::write(sums, format!("{listed}{sum}  {name}\n")).unwrap();
}
