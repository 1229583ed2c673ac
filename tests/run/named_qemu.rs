//! A QEMU on the command line is the tested one, or the command line is refused.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use harness::qemu::{arch, binary};
use harness::repo::TestRepo;

const PASSES: &str = "# Passes.\nin_host() {\n    echo fine\n}\n";

/// The real QEMU of an architecture.
fn real(arch: &str) -> PathBuf {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", &binary(arch)])
        .output()
        .unwrap();
    PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
}

/// A folder with the real QEMU under its own and other names, as users keep patched builds.
fn repo(arch: &str) -> (TestRepo, PathBuf) {
    let repo = TestRepo::with(&[("a/passes", PASSES)]);
    let folder = repo.path().join("q");
    std::fs::create_dir(&folder).unwrap();
    symlink(real(arch), folder.join(binary(arch))).unwrap();
    let script = |name: &str, text: String| {
        let file = folder.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&file, mode).unwrap();
    };
    script(
        &format!("{}.broken", binary(arch)),
        "echo lib.so: not found >&2\nexit 3".to_owned(),
    );
    let patched = format!("exec {} \"$@\"", real(arch).display());
    script(&format!("{}.patched", binary(arch)), patched);
    script("qemu-img", "echo qemu-img version 10".to_owned());
    (repo, folder)
}

#[test]
fn other_program_than_qemu_is_refused() {
    let Some(arch) = arch() else { return };
    let (repo, folder) = repo(&arch);
    let broken = folder.join(format!("{}.broken", binary(&arch)));
    for (file, expect) in [
        (
            broken.clone(),
            "ended with exit status 3: lib.so: not found",
        ),
        (folder.join("qemu-img"), "printed `qemu-img version 10`"),
        ("/bin/true".into(), "is not a QEMU system emulator"),
    ] {
        let file = file.to_str().unwrap();
        let output = repo.run(&["test", "--offline", "--arch", &arch, "--qemu", file]);
        assert_eq!(output.code, 96, "{file}: {}", output.stderr);
        assert!(
            output.stderr.contains(&format!("`{file}`")) && output.stderr.contains(expect),
            "{file}: {}",
            output.stderr
        );
        let real = real(&arch);
        let compare = ["--compare-qemu", real.to_str().unwrap(), file];
        let output = repo.run(&[&["test", "--offline", "--arch", &arch], &compare[..]].concat());
        assert_eq!(output.code, 96, "{file}: {}", output.stderr);
    }
    let from_environment = repo
        .xtask(&["test", "--offline", "--arch", &arch])
        .env("KILN_QEMU", &broken)
        .output()
        .unwrap();
    assert_eq!(from_environment.status.code(), Some(96));
}

#[test]
fn qemu_file_may_have_any_name() {
    let Some(arch) = arch() else { return };
    let (repo, folder) = repo(&arch);
    let patched = folder.join(format!("{}.patched", binary(&arch)));
    let patched = patched.to_str().unwrap();
    let output = repo.run(&["test", "--offline", "--qemu", patched]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    // A binary has one target, so the other architectures are skipped with a note.
    let line = format!("QEMU {arch}: {patched} ");
    assert!(output.stderr.contains(&line), "{}", output.stderr);
    let (_, events) = repo.events(&arch, &["--qemu", patched]);
    let on = &events[0]["platforms"][0];
    assert_eq!(
        (on["arch"].as_str(), on["binary"].as_str()),
        (Some(&*arch), Some(patched))
    );
}

#[test]
fn qemu_for_another_target_is_refused() {
    let Some(arch) = arch() else { return };
    let other = ["aarch64", "ppc64", "x86_64"].into_iter().find(|other| {
        *other != arch
            && Command::new(binary(other))
                .arg("--version")
                .output()
                .is_ok()
    });
    let Some(other) = other else {
        harness::skip("a second QEMU is not installed");
        return;
    };
    let (repo, folder) = repo(&arch);
    std::fs::remove_file(folder.join(binary(&arch))).unwrap();
    symlink(real(other), folder.join(binary(&arch))).unwrap();
    let file = folder.join(binary(&arch));
    for named in [&folder, &file] {
        let named = named.to_str().unwrap();
        let output = repo.run(&["test", "--offline", "--arch", &arch, "--qemu", named]);
        let expect = format!("expected a QEMU for `{arch}`, found one for `{other}`");
        assert!(
            output.code == 96 && output.stderr.contains(&expect),
            "{named}: {} {}",
            output.code,
            output.stderr
        );
    }
}

#[test]
fn repeat_command_names_qemu_of_the_environment() {
    let Some(arch) = arch() else { return };
    let (repo, folder) = repo(&arch);
    repo.write("a/fails.sh", "# Fails.\nin_host() {\n    false\n}\n");
    let run = repo
        .xtask(&["test", "--offline", "--arch", &arch, "fails"])
        .env("KILN_QEMU", &folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    let flag = format!("--qemu {}", folder.display());
    assert!(text.contains(&flag), "{text}");
    let again = repo.run(&["test", "--offline", "--rerun", "latest"]);
    let line = format!("{}: {}", arch, folder.join(binary(&arch)).display());
    assert!(again.stderr.contains(&line), "{}", again.stderr);
}
