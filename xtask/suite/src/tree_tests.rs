use std::time::Duration;

use super::*;
use unittests::harness::Status;
use unittests::invocation::{Host, Invocation, Mode, Refusal};

/// A tree with files, built for the architecture `x86_64`.
struct Built {
    dir: tempfile::TempDir,
}

const CONFIG: &str = "# comment\nSRCDIR=/src\nARCH=x86_64\nARCH_NAME=x86_64\nTEST_DIR=x86\n\
                      ENVIRON_DEFAULT=yes\nERRATATXT=errata.txt\nTARGET=\nCONFIG_EFI=\n";

impl Built {
    fn new(config: &str, list: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let built = Self { dir };
        for (file, text) in [
            ("config.mak", config),
            ("errata.txt", ""),
            ("x86/unittests.cfg", list),
            ("x86/a.flat", "kernel"),
            ("x86/b.efi", "program"),
            ("value", "Y\n"),
        ] {
            let path = built.root().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        built
    }

    fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join("kut")
    }

    fn load(&self) -> Result<Vec<TestFile>, TreeError> {
        let arches = [("first", "arm"), ("x86_64", "x86_64")];
        let arches = arches.map(|(name, target)| (name.to_owned(), target.to_owned()));
        load(&self.root(), Utf8Path::new("../kut"), &arches)
    }
}

/// The invocation of the only test of a list.
fn invoked(section: &str, accel: &str) -> Result<Invocation, Refusal> {
    invoked_in(CONFIG, section, accel)
}

fn invoked_in(config: &str, section: &str, accel: &str) -> Result<Invocation, Refusal> {
    let built = Built::new(config, &format!("[t]\n{section}\n"));
    let tests = built.load().unwrap();
    let Body::Suite(test) = &tests[0].header.body else {
        panic!("another body");
    };
    let host = Host {
        accel,
        has_device: &|device| device != "pci-testdev",
        qemu: "10.0.2",
        kernel: "6.12.1",
        processors: 2,
        now: 1000,
        efi_directory: Utf8Path::new("/run/efi"),
        read: &|path| fs_err::read_to_string(path).ok(),
    };
    test.invocation(&host).map(|mut found| {
        found.kernel = found.kernel.strip_prefix(built.root()).unwrap().to_owned();
        found
    })
}

#[test]
fn efi_program_is_on_boot_disk() {
    let config = |line: &str| CONFIG.replace("CONFIG_EFI=", &format!("{line}\nCONFIG_EFI=y"));
    let found = invoked_in(
        &config("EFI_UEFI=x86/a.flat"),
        "file = a.flat\nsmp = 2",
        "tcg",
    );
    // The build makes `a.efi`, which this tree lacks.
    let skipped = |reason: &str| Err(Refusal::Skip(reason.to_owned()));
    assert_eq!(found, skipped("`x86/a.efi` does not exist"));
    let section = "file = b.efi\nsmp = 2\ntimeout = 20s";
    let reason = "UEFI firmware not found: `none`; EFI_UEFI in config.mak names another one";
    assert_eq!(
        invoked_in(&config("EFI_UEFI=none"), section, "tcg"),
        skipped(reason)
    );
    let found = invoked_in(&config("EFI_UEFI=x86/a.flat"), section, "tcg").unwrap();
    let disk = "file.dir=/run/efi/,file.driver=vvfat,file.rw=on,format=raw,if=virtio";
    assert!(
        found.before.iter().any(|word| word == disk),
        "{:?}",
        found.before
    );
    assert!(
        found
            .before
            .contains(&"file=x86/a.flat,format=raw,if=pflash,readonly=on".to_owned())
    );
    assert_eq!(found.after, ["-smp", "2", "-smp", "1"]);
    assert_eq!(found.program.unwrap(), "/run/efi/EFI/BOOT/BOOTX64.EFI");
    assert_eq!(found.timeout, Some(Duration::from_secs(30)));
    assert_eq!(found.environment, None);
}

#[test]
fn section_becomes_arguments() {
    let section = "file = a.flat\nsmp = $MAX_SMP\ntest_args = \"x `date +%s`\"\n\
                   qemu_params = -cpu max -m 4g\ntimeout = 1.5m\ngroups = a migration";
    let found = invoked(section, "tcg").unwrap();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let before = "--no-reboot -nodefaults -global kvm-pit.lost_tick_policy=discard -device pc-testdev \
                  -device isa-debug-exit,iobase=0xf4,iosize=0x4 -machine accel=tcg";
    assert_eq!(found.before, words(before));
    assert_eq!(found.kernel, "x86/a.flat");
    let mut after = words("-smp 2 -append");
    after.push("x 1000".to_owned());
    after.extend(words("-cpu max -m 4g"));
    assert_eq!(found.after, after);
    assert_eq!(found.timeout, Some(Duration::from_secs(90)));
    assert_eq!((found.status, found.mode), (Status::Exit, Mode::Migration));
    let environment = found.environment.unwrap();
    assert!(environment.ends_with("ERRATA_FORCE=y\n"), "{environment}");
    let plain = invoked("file = a.flat\ntimeout = 0", "tcg").unwrap();
    assert_eq!(plain.after, ["-smp", "1"]);
    assert_eq!((plain.timeout, plain.mode), (None, Mode::Plain));
}

#[test]
fn inapplicable_test_is_skipped() {
    let check = |section: &str, expect: &str| {
        let section = format!("file = a.flat\n{section}");
        let expect = Refusal::Skip(expect.to_owned());
        assert_eq!(invoked(&section, "tcg"), Err(expect), "{section}");
    };
    check("arch = i386", "`i386` only");
    check("accel = kvm", "`kvm` only, and the accelerator is tcg");
    check("check = value=Y nothing=Y", "nothing not equal to Y");
    check("check = value=N", "value not equal to N");
    check("file = b.flat", "`x86/b.flat` does not exist");
    check(
        "groups = pv-host",
        "no gen-se-header available for a pv-host test",
    );
    let disabled = "[[ \"$TARGET\" != qemu ]]";
    check(
        &format!("disabled_if = {disabled}"),
        &format!("disabled because: {disabled}"),
    );
    let needs_shell = "`grep x y` needs a shell: it runs `grep`";
    check("disabled_if = grep x y", needs_shell);
    check(
        "test_args = `uname`",
        "`-append `uname`` needs a shell: it runs `uname`",
    );
    assert!(
        invoked(
            "file = a.flat\naccel = tcg,thread=single\ncheck = value=Y",
            "tcg"
        )
        .is_ok()
    );
}

#[test]
fn wrong_section_is_a_fault() {
    let check = |section: &str, expect: &str| {
        let expect = Refusal::Fault(expect.to_owned());
        assert_eq!(invoked(section, "tcg"), Err(expect), "{section}");
    };
    check("smp = 1", "unittests.cfg: no `file`");
    let unknown = "unittests.cfg: line 3: unknown key `tiemout`, did you mean `timeout`?";
    check("file = a.flat\ntiemout = 1", unknown);
    let twice = "unittests.cfg: lines 1 and 3: two sections `[t]`";
    check("file = a.flat\n[t]\nfile = a.flat", twice);
    let open = "unittests.cfg: line 3: the value of `qemu_params` has no closing `\"\"\"`";
    check("file = a.flat\nqemu_params = \"\"\"-m 1", open);
    check(
        "file = a.flat\nqemu_params = -append 'x",
        "`-append 'x`: a `'` is not closed",
    );
    check(
        "file = a.flat\ntimeout = soon",
        "unittests.cfg: invalid timeout `soon`",
    );
    check(
        "file = a.flat\ntimeout = inf",
        "unittests.cfg: invalid timeout `inf`",
    );
}

#[test]
fn tests_have_area_arch_and_groups() {
    let list = "[one]\nfile = a.flat\n[x y]\ngroups = nodefault vmx\n[x_y]\nfile = a.flat\n";
    let tests = Built::new(CONFIG, list).load().unwrap();
    let names: Vec<_> = tests.iter().map(TestFile::name).collect();
    assert_eq!(names, ["kut::one", "kut::x_y", "kut::x_y.2"]);
    assert!(tests.iter().all(|test| test.header.arches == ["x86_64"]));
    assert_eq!(tests[1].header.groups, ["nodefault", "vmx"]);
    let manual = tests.iter().map(|test| match &test.header.body {
        Body::Suite(test) => test.is_manual(),
        _ => panic!("another body"),
    });
    assert_eq!(manual.collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn unusable_tree_is_refused() {
    let check = |config: &str, remove: &str, list: &str, expect: &str| {
        let built = Built::new(config, list);
        if !remove.is_empty() {
            fs_err::remove_file(built.root().join(remove)).unwrap();
        }
        let error = built.load().unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    let not_built = "`../kut` is not a built tree of kvm-unit-tests: missing";
    check(
        CONFIG,
        "config.mak",
        "",
        &format!("{not_built} `config.mak`"),
    );
    check(
        CONFIG,
        "x86/unittests.cfg",
        "",
        &format!("{not_built} `x86/unittests.cfg`"),
    );
    let with = |from: &str, to: &str| CONFIG.replace(from, to);
    let other = "`../kut` is built for `i386`, which Kiln has no architecture for";
    check(&with("ARCH_NAME=x86_64", "ARCH_NAME=i386"), "", "", other);
    let unsupported = "`../kut` is configured with `TARGET=kvmtool`, which Kiln does not support";
    check(&with("TARGET=", "TARGET=kvmtool"), "", "", unsupported);
    let list =
        "failed to parse `../kut/x86/unittests.cfg`: line 1: `file = a` is outside of a section";
    check(CONFIG, "", "file = a\n", list);
}
