//! `--kernel`: guests boot another kernel than that of their image.

use std::path::{Path, PathBuf};

use serde_json::Value;

use harness::qemu::arch;
use harness::repo::TestRepo;

const RELEASE: &str = "# Has a release.\nin_guest() {\n    uname -r\n}\n";
/// Copies the image's kernel for the other tests.
const KEEPS: &str = "# Keeps the kernel.\nin_host() {\n    cp \"$KILN_IMAGE/kernel\" @DIR@/bzImage\n    qemu\n}\n\
                     in_guest() {\n    :\n}\n";

/// A repository in which the image's kernel also exists at another path.
fn repository(arch: &str) -> (TestRepo, PathBuf) {
    let repo = TestRepo::with(&[("a/keeps", KEEPS), ("a/release", RELEASE)]);
    let output = repo.run(&[
        "test",
        "--offline",
        "--arch",
        arch,
        "--accel=tcg",
        "a::keeps",
    ]);
    assert_eq!(output.code, 0, "{} {}", output.stdout, output.stderr);
    let kernel = repo.path().join("bzImage");
    (repo, kernel)
}

/// A build tree that has this kernel at the architecture's path.
fn tree(repo: &TestRepo, arch: &str, kernel: &Path) -> PathBuf {
    let file = repo.repository().join(format!("images/{arch}.toml"));
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("image = "));
    let tree = repo.path().join("linux");
    let place = tree.join(line.unwrap().trim_matches('"'));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::copy(kernel, place).unwrap();
    tree
}

/// The report of the last run.
fn last_report(repo: &TestRepo) -> Value {
    let runs = std::fs::read_dir(repo.runs()).unwrap();
    let number = |run: std::io::Result<std::fs::DirEntry>| {
        run.unwrap().file_name().to_str()?.parse::<u32>().ok()
    };
    let last = runs.filter_map(number).max().unwrap();
    let file = repo.runs().join(last.to_string()).join("report.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn guests_boot_kernel_of_file_or_tree() {
    let Some(arch) = arch() else { return };
    let (repo, kernel) = repository(&arch);
    let tree = tree(&repo, &arch, &kernel);
    for place in [&kernel, &tree] {
        let place = place.to_str().unwrap();
        // The architecture is detected from the kernel.
        let words = [
            "test",
            "--offline",
            "--accel=tcg",
            "a::release",
            "--kernel",
            place,
        ];
        let output = repo.run(&words);
        assert_eq!(output.code, 0, "{} {}", output.stdout, output.stderr);
        let report = last_report(&repo);
        let tests = report["tests"].as_array().unwrap();
        assert_eq!(tests.len(), 1, "{report}");
        let platform = &report["platforms"][0];
        assert_eq!(platform["arch"], arch);
        let name = platform["kernel"].as_str().unwrap();
        assert!(name.contains(place), "{name}");
        let repeat = tests[0]["reproduce"].as_str().unwrap();
        assert!(repeat.contains(&format!("--kernel={place}")), "{repeat}");
    }
    let output = repo.run(&[
        "test",
        "--offline",
        "--accel=tcg",
        "a::release",
        "--kernel",
        kernel.to_str().unwrap(),
        "--kernel",
        tree.to_str().unwrap(),
    ]);
    assert_eq!(output.code, 0, "{} {}", output.stdout, output.stderr);
    output.stderr_has(["Comparing kernel "]);
    output.stdout_has(["1 test: 1 same"]);
    repo.assert_clean("after guests with other kernels");
}

#[test]
fn report_explains_kernel_that_dies_before_init() {
    let Some(arch) = arch() else { return };
    let (repo, kernel) = repository(&arch);
    let run = |name: &str, text: &str| {
        repo.write(&format!("{name}.sh"), text);
        let name = name.replace('/', "::");
        let words = ["test", "--offline", "--arch", &arch, "--accel=tcg", &name];
        repo.run(&[&words[..], &["--kernel", kernel.to_str().unwrap()]].concat())
    };
    let note = "note the kernel did not unpack the initramfs";
    let early = "# Has no init.\n#: append = \"rdinit=/none\"\nin_guest() {\n    :\n}\n";
    let output = run("a/early", early);
    assert_eq!(output.code, 100, "{} {}", output.stdout, output.stderr);
    assert!(output.stdout.contains(note), "{}", output.stdout);
    let late = "# Panics in its test.\nin_guest() {\n    echo 'VFS: Unable to mount root fs' > /dev/kmsg\n    \
                echo c > /proc/sysrq-trigger\n}\n";
    let output = run("a/late", late);
    assert_eq!(output.code, 100, "{} {}", output.stdout, output.stderr);
    assert!(
        !output.stdout.contains("the kernel did not"),
        "{}",
        output.stdout
    );
}

#[test]
fn kernels_that_cannot_boot_are_refused() {
    let Some(arch) = arch() else { return };
    let (repo, kernel) = repository(&arch);
    let empty = repo.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let text = repo.path().join("text");
    std::fs::write(&text, "text").unwrap();
    let foreign = repo.path().join("foreign");
    // An ELF file for no machine.
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    std::fs::write(&foreign, bytes).unwrap();
    let modules = tree(&repo, &arch, &kernel);
    std::fs::write(modules.join(".config"), "CONFIG_VIRTIO_CONSOLE=m\n").unwrap();
    let absent = repo.path().join("absent");

    let check = |place: &Path, code: u8, bisect: u8, message: &str| {
        let place = place.to_str().unwrap();
        let words = [
            "test",
            "--offline",
            "--arch",
            &arch,
            "--accel=tcg",
            "a::release",
        ];
        let words = [&words[..], &["--kernel", place]].concat();
        let output = repo.run(&words);
        assert_eq!(output.code, i32::from(code), "{place}: {}", output.stderr);
        assert!(output.stderr.contains(message), "{}", output.stderr);
        let output = repo.run(&[&words[..], &["--bisect"]].concat());
        assert_eq!(output.code, i32::from(bisect), "{place}: {}", output.stderr);
    };
    check(&empty, 96, 125, "no kernel in the build tree");
    check(&modules, 96, 125, "CONFIG_VIRTIO_CONSOLE=m");
    check(&text, 2, 128, "is not a kernel: expected");
    check(
        &foreign,
        2,
        128,
        &format!("is not a kernel of {arch}: expected ELF machine"),
    );
    check(&absent, 2, 128, "no such file or directory");

    let words = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "a::release",
        "--bisect",
    ];
    let output = repo.run(&words);
    assert_eq!(output.code, 128, "{}", output.stderr);
    output.stderr_has(["`--qemu` or `--kernel`"]);
}
