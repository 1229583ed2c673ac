//! A store that was copied to another machine: toolchains are not reused, images are.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::tiny::Tiny;
use harness::parts;

fn ended(mut command: Command) -> String {
    let output: Output = command.output().unwrap();
    let (code, out, err) = parts(output);
    assert_eq!(code, 0, "{err}");
    out + &err
}

#[test]
fn copied_store_keeps_images_but_not_toolchains() {
    let tiny = Tiny::new("toolchain");
    let built = "Built toolchain";
    assert!(ended(tiny.xtask("store", &["images"])).contains(built));
    let mut copy = Command::new("cp");
    let copied = copy
        .arg("-r")
        .args([tiny.store("store"), tiny.store("copy")]);
    assert!(copied.status().unwrap().success());
    // Here the toolchain is found and nothing is missing offline.
    let found = ended(tiny.xtask("copy", &["toolchain", "--offline"]));
    assert!(!found.contains(built), "{found}");

    // A host with another compiler.
    let bin = tiny.store("bin");
    std::fs::create_dir(&bin).unwrap();
    let cc = "#!/bin/sh\necho 'cc of another host 99.1'\n";
    std::fs::write(bin.join("cc"), cc).unwrap();
    std::fs::set_permissions(bin.join("cc"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", bin.display());
    let there = |args: &[&str]| {
        let mut command = tiny.xtask("copy", args);
        command.env("PATH", &path);
        ended(command)
    };
    let images = there(&["images", "--offline"]);
    assert!(!images.contains("Built"), "{images}");
    let toolchain = there(&["toolchain", "--offline"]);
    assert!(toolchain.contains(built), "{toolchain}");
    let names = std::fs::read_dir(tiny.store("copy").join("v1/entries")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let hosts: Vec<_> = names
        .filter_map(|name| name.split_once('-').map(|(_, host)| host.to_owned()))
        .collect();
    assert!(hosts.len() == 2 && hosts[0] != hosts[1], "{hosts:?}");
}
