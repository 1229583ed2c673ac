//! Tests the resolved start, name, network and key of a request.

use super::*;

#[test]
fn start_follows_from_options() {
    let check = |extra: &str, paused: bool, start: Start, lines: &[&str]| {
        let change = |request: &mut LaunchRequest<'_>| {
            request.options = words(extra);
            request.paused = paused;
        };
        let launch = launch(&aarch64(), &new_qemu(), change).unwrap();
        assert_eq!(launch.start, start, "{extra}");
        let line = launch.argv(FDS);
        let found: Vec<&str> = (line.iter().map(String::as_str))
            .skip_while(|argument| !matches!(*argument, "-S" | "-incoming"))
            .take_while(|argument| *argument != "-chardev")
            .collect();
        assert_eq!(found, lines, "{extra}");
    };
    let incoming = |from: &[&str], paused| Start::Incoming {
        from: from.iter().map(|from| (*from).to_owned()).collect(),
        paused,
    };
    check("", false, Start::Boot, &["-S"]);
    check("-S", false, Start::Paused, &["-S"]);
    check("", true, Start::Paused, &["-S"]);
    check(
        "--incoming defer",
        false,
        incoming(&["defer"], false),
        &["-incoming", "defer"],
    );
    check(
        "-S -incoming tcp:0:1 -incoming {}",
        false,
        incoming(&["tcp:0:1", "{}"], true),
        &["-S", "-incoming", "tcp:0:1", "-incoming", "{}"],
    );
    // A name that looks like an option is not one.
    check("-name S", false, Start::Boot, &["-S"]);
}

#[test]
fn processors_wait_only_in_a_run() {
    let held = |options: &str| {
        let change = |request: &mut LaunchRequest<'_>| request.options = words(options);
        let launch = launch(&x86_64(), &new_qemu(), change).unwrap();
        [launch.argv(FDS), launch.standalone(), launch.script()]
            .map(|line| line.contains(&"-S".to_owned()))
    };
    assert_eq!(held(""), [true, false, false]);
    assert_eq!(held("-S"), [true, true, true]);
}

#[test]
fn guest_gets_the_name_from_the_test() {
    let check = |options: &str, name: Option<&str>| {
        let change = |request: &mut LaunchRequest<'_>| request.options = words(options);
        let launch = launch(&x86_64(), &new_qemu(), change).unwrap();
        assert_eq!(launch.name.as_deref(), name, "{options}");
    };
    check("-S -name source -m 1G", Some("source"));
    check("--name guest=b,debug-threads=on", Some("b"));
    check("-device x,name=a", None);
    check("-name", None);
}

#[test]
fn default_network_is_added_if_absent() {
    let check = |options: &str, has_user: bool, expect: bool| {
        let mut facts = new_qemu();
        facts.netdevs = has_user.then(|| "user".to_owned()).into_iter().collect();
        let text = lines(&x86_64(), &facts, |request| {
            request.default_network = true;
            request.options = words(options);
        });
        assert_eq!(text.contains("\n-nic user"), expect, "{options}");
    };
    check("-nographic -device net", true, true);
    check("-net user", true, false);
    check("--nic none", true, false);
    check("-netdev user,id=n", true, false);
    check("-device x -nodefaults", true, false);
    check("", false, false);
}

#[test]
fn key_is_that_of_the_bare_machine() {
    let key = |change: &dyn Fn(&mut LaunchRequest<'_>)| {
        let launch = launch(&x86_64(), &new_qemu(), change).unwrap();
        let line = launch.argv(FDS);
        let key = launch.key();
        for argument in key.arguments() {
            assert!(line.contains(argument), "{argument} is not in {line:?}");
        }
        assert!(!key.to_string().contains("fd="), "{key}");
        key
    };
    let bare = key(&|_| {});
    insta::assert_snapshot!("key", bare.to_string());
    let same = |options: &str| assert_eq!(key(&|r| r.options = words(options)), bare, "{options}");
    same("-device virtio-rng-pci,id=r -netdev user,id=n");
    same("-drive if=none,id=d,file=x -M q35 -accel tcg -m 128M -smp 1");
    same("-S");
    same("-incoming defer");
    assert_eq!(key(&|r| r.reboot_allowed = true), bare);
    assert_eq!(key(&|r| r.devices = words("-device a")), bare);
    assert_eq!(key(&|r| r.boot.kernel = "/other/kernel".into()), bare);
    let differs = |options: &str| {
        let other = key(&|r| r.options = words(options));
        assert_ne!(other, bare, "{options}");
        assert_ne!(other.digest(), bare.digest(), "{options}");
    };
    differs("-M microvm");
    differs("-machine acpi=off");
    differs("-accel tcg,thread=single");
    differs("-cpu max");
    differs("-m 256M");
    differs("-smp 2");
    differs("-append quiet");
    differs("-nic user");
    differs("-rtc base=2020-01-01");
    assert_ne!(key(&kvm), bare);
    assert_ne!(key(&console), bare);
    assert_ne!(key(&|r| r.append = "ours".into()), bare);
}
