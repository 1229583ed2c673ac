use std::fmt::Write as _;

use insta::assert_snapshot;

use super::*;

fn parse(text: &str) -> Result<Header, Vec<Diagnostic>> {
    Header::parse(Utf8Path::new("guest-tests/boot/x.sh"), text)
}

fn guest(header: &str) -> String {
    format!("#!/bin/sh\n# Says what is promised.\n{header}\nin_guest() {{\n    true\n}}\n")
}

#[test]
fn all_keys_are_read() {
    let header = parse(&guest(
        r#"#: arch = ["x86_64", "ppc64"]   # a comment
#: machine.x86_64 = "pc"
#: memory = "256M"
#: smp = 2
#: timeout = "90s"
#: scratch = ["64M", "1G"]
#: slots = 3
#: requires.devices = ["virtio-blk-pci"]
#: requires.machines = ["q35"]
#: requires.netdevs = ["user"]
#: requires.tools = ["swtpm"]
#: requires.qemu_tools = ["qemu-img"]
#: requires.kernel = ["CONFIG_NET_9P", "NR_CPUS=64"]
#: requires.accel = "kvm"
#: requires.qemu = "8.1"
#: requires.migration = true
#: groups = ["hotplug"]
#: filter = ["s/[0-9]+/N/"]
#: slow = true
#: stdin = "console"
#: append = "quiet"
#: ends = "poweroff"
#: reboots = 1"#,
    ))
    .unwrap();
    assert_eq!(
        header,
        Header {
            description: "Says what is promised.".to_owned(),
            arches: vec!["x86_64".to_owned(), "ppc64".to_owned()],
            except_arches: Vec::new(),
            machine: MachineChoice::ByArch(BTreeMap::from([(
                "x86_64".to_owned(),
                "pc".to_owned()
            )])),
            memory: Some("256M".to_owned()),
            smp: 2,
            timeout: Duration::from_secs(90),
            scratch: vec![64 << 20, 1 << 30],
            slots: 3,
            requires: Requires {
                devices: vec!["virtio-blk-pci".to_owned()],
                machines: vec!["q35".to_owned()],
                netdevs: vec!["user".to_owned()],
                tools: vec!["swtpm".to_owned()],
                qemu_tools: vec!["qemu-img".to_owned()],
                kernel: vec!["NET_9P=y".to_owned(), "NR_CPUS=64".to_owned()],
                accel: Some("kvm".to_owned()),
                qemu: Some(qemu::Version::new(8, 1, 0)),
                migration: true,
            },
            groups: vec!["hotplug".to_owned()],
            filters: vec!["s/[0-9]+/N/".parse().unwrap()],
            choices: choices::Choices::new(),
            unstable: None,
            slow: true,
            timing: false,
            channel: Channel::Virtio,
            stdin: Stdin::Console,
            append: "quiet".to_owned(),
            ends: ExpectedEnd::Leave(Leave::Poweroff),
            reboots: 1,
            cold: false,
            host: HostFiles::default(),
            debian: None,
            body: Body::Guest(Scripts::Guest),
            calls_itself: false,
        }
    );
}

#[test]
fn a_test_without_header_gets_the_defaults() {
    let header = parse("in_host() {\n  qemu\n}\nin_guest ( ) { true; }\n").unwrap();
    assert_eq!(header.timeout, DEFAULT_TIMEOUT);
    assert_eq!(
        (header.smp, header.reboots, header.ends),
        (1, 0, ExpectedEnd::Report)
    );
    assert_eq!(header.body, Body::Guest(Scripts::Both));
    assert_eq!(header.machine.name("x86_64"), None);
    assert_eq!(header.description, "");
}

#[test]
fn machine_is_global_or_per_architecture() {
    let machine = |line: &str, arch: &str| {
        parse(&guest(line))
            .unwrap()
            .machine
            .name(arch)
            .map(str::to_owned)
    };
    assert_eq!(
        machine("#: machine = \"virt\"", "any").as_deref(),
        Some("virt")
    );
    let by_arch = r#"#: machine = { x86_64 = "pc" }"#;
    assert_eq!(machine(by_arch, "x86_64").as_deref(), Some("pc"));
    assert_eq!(machine(by_arch, "ppc64"), None);
}

#[test]
fn choices_are_values_or_qemu_devices() {
    use choices::{Narrow, Offered, Source};

    let header = parse(&guest(
        r#"#: choices.bus = ["a", "b"]
#: choices.nic = { devices = ["e1000", "rtl8139"] }
#: choices.cpu.ppc64 = { from = "cpus", prefix = "power", except = ["power7"] }
#: choices.cpu.x86_64 = { from = "cpus" }
#: choices.line.ppc64 = ["vty"]
#: choices.line.default = ["isa"]
#: choices."nic.old" = { from = "machines", prefix = "pc-" }"#,
    ))
    .unwrap();
    let words = |texts: &[&str]| -> Vec<String> { texts.iter().map(|&t| t.to_owned()).collect() };
    let narrow = |prefix: &str, except: &[&str]| Narrow {
        prefix: prefix.to_owned(),
        except: words(except),
    };
    let source = |name: &str, arch: &str| header.choices[name].source(arch).cloned();
    assert_eq!(
        source("bus", "x86_64"),
        Some(Source::Words(words(&["a", "b"])))
    );
    let devices = Source::Devices(words(&["e1000", "rtl8139"]));
    assert_eq!(source("nic", "any"), Some(devices));
    let power = Source::Cpus(narrow("power", &["power7"]));
    assert_eq!(source("cpu", "ppc64"), Some(power));
    assert_eq!(
        source("cpu", "x86_64"),
        Some(Source::Cpus(Narrow::default()))
    );
    assert_eq!(source("cpu", "aarch64"), None);
    let line = |arch| source("line", arch);
    assert_eq!(line("ppc64"), Some(Source::Words(words(&["vty"]))));
    assert_eq!(line("aarch64"), Some(Source::Words(words(&["isa"]))));
    assert!(header.choices["line"].arches().eq(["ppc64"]));
    assert_eq!(
        source("nic.old", "any"),
        Some(Source::Machines(narrow("pc-", &[])))
    );
    assert!(matches!(header.choices["cpu"], Offered::ByArch(_)));
    assert_eq!(header.devices().collect::<Vec<_>>(), ["e1000", "rtl8139"]);
}

#[test]
fn keys_add_groups() {
    let check = |keys: &str, expect: &[&str]| {
        let header = parse(&guest(keys)).unwrap();
        assert_eq!(header.all_groups().collect::<Vec<_>>(), expect, "{keys}");
        for group in ["slow", "timing", "net"] {
            assert_eq!(
                header.is_in(group),
                expect.contains(&group),
                "{keys} {group}"
            );
        }
    };
    check("", &[]);
    check("#: slow = true\n#: groups = [\"net\"]", &["net", "slow"]);
    check("#: timing = true", &["timing"]);
}

#[test]
fn qemu_test_script_calls_its_own_function() {
    for (text, expect) in [
        (
            "in_guest() {\n    true\n}\nif test $QEMU_TEST; then\n    in_host\nelse\n    in_guest\nfi\n",
            true,
        ),
        (
            "in_guest() {\n    true\n}\nif [ -n \"$QEMU_TEST\" ]; then in_host; else in_guest; fi\n",
            true,
        ),
        ("# if test $QEMU_TEST\nin_guest() {\n    true\n}\n", false),
    ] {
        let header = Header::parse(Utf8Path::new("x.sh"), text).unwrap();
        assert_eq!(header.calls_itself, expect, "{text}");
    }
}

#[test]
fn script_functions_start_at_line_starts() {
    let check = |text: &str, expect: Option<Scripts>| assert_eq!(scripts(text), expect, "{text}");
    check("in_host() {\n}\n", Some(Scripts::Host));
    check("in_guest()\n{\n}\n", Some(Scripts::Guest));
    check(
        "in_host () { :; }\nin_guest() { :; }\n",
        Some(Scripts::Both),
    );
    check(
        "# in_guest() {\n  in_host\nin_guesthouse() {}\nin_guest=1\n",
        None,
    );
    check("    in_guest() { true; }\n", None);
}

/// Renders the location like a diagnostic.
fn draw(header: &str) -> String {
    let script = guest(header);
    let faults = parse(&script).unwrap_err();
    let mut drawn = String::new();
    for fault in faults {
        let line_start = script[..fault.span.start]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let line = script[line_start..].lines().next().unwrap_or_default();
        let column = fault.span.start - line_start;
        let marks = "^".repeat(fault.span.len().max(1));
        let help = fault.help.unwrap_or_default();
        let _ = writeln!(
            drawn,
            "{}\n{line}\n{:column$}{marks} {}\n{help}",
            fault.title, "", fault.label
        );
    }
    drawn
}

#[test]
fn header_error_points_into_the_script() {
    assert_snapshot!(
        "unknown_key",
        draw("#: smp = 2\n# between\n#:   memry = \"256M\"")
    );
    assert_snapshot!(
        "unknown_requirement",
        draw("#: requires.device = [\"nvme\"]")
    );
    assert_snapshot!(
        "bad_time",
        draw("#: timeout = \"soon\"\n#: scratch = [\"1M\", \"0\", \"x\"]")
    );
    assert_snapshot!("wrong_type", draw("#: smp = \"two\""));
    assert_snapshot!("no_toml", draw("#: smp = = 2"));
    assert_snapshot!(
        "no_filter",
        draw("#: filter = ['s/a/b/', 'tr/a/b/', 's/(/x/']")
    );
    assert_snapshot!("no_link", draw("#: unstable = \"fails at times\""));
    assert_snapshot!(
        "no_choice",
        draw(
            "#: choices.a = []\n#: choices.b = { form = \"cpus\", prefix = \"x\" }\n\
             #: choices.c = { from = \"cpu\" }\n#: choices.d.x86_64 = 3\n#: choices.e = [1]"
        )
    );
    assert_snapshot!(
        "no_virtio",
        draw("#: channel = \"console\"\n#: scratch = [\"1M\"]")
    );
    assert_snapshot!(
        "bad_words",
        draw("#: smp = 0\n#: ends = \"crash\"\n#: channel = \"tcp\"\n#: requires.qemu = \"new\"")
    );
}

#[test]
fn name_that_no_qemu_has_is_refused() {
    assert_snapshot!(
        "unknown_names",
        draw(
            "#: requires.devices = [\"nvme\", \"virtio-blk-pcy\"]\n\
             #: requires.machines = [\"microvn\"]\n#: requires.netdevs = [\"perpetual-motion\"]\n"
        )
    );
    assert_snapshot!(
        "unknown_names_of_choices",
        draw(
            "#: choices.nic = { devices = [\"e1000\", \"e10000\"] }\n\
             #: choices.cpu.ppc64 = { cpus = [\"pwer9\"] }\n\
             #: choices.machine = { from = \"machines\", prefix = \"vrit-\" }\n\
             #: choices.model = { from = \"cpus\", prefix = \"cortex-\" }\n"
        )
    );
}

#[test]
fn header_for_newer_qemu_accepts_new_devices() {
    let devices = |version: &str| {
        let line = format!("requires = {{ devices = [\"warp-drive\"], qemu = \"{version}\" }}");
        parse(&guest(&format!("#: {line}"))).map(|header| header.requires.devices)
    };
    assert!(devices("10.0").is_err());
    assert_eq!(devices("99.0").unwrap(), ["warp-drive"]);
}

#[test]
fn test_without_scripts_is_refused() {
    let faults = parse("#!/bin/sh\n#: smp = 0\ntrue\n").unwrap_err();
    let titles: Vec<_> = faults.iter().map(|fault| fault.title.as_str()).collect();
    let halves = "`guest-tests/boot/x.sh` has neither `in_host` nor `in_guest`";
    assert_eq!(titles, ["`smp` is 0", halves]);
}

proptest::proptest! {
    #[test]
    fn error_location_is_inside_any_script(text in "(#: ?[a-z.]{1,8} = [\\[\\]\"a-z0-9é]{0,6}\n|.{0,20}\n){0,8}") {
        for fault in parse(&text).err().unwrap_or_default() {
            proptest::prop_assert!(fault.text.get(fault.span.clone()).is_some(), "{:?}", fault);
        }
    }
}

#[test]
fn host_test_has_only_its_host_script() {
    let check = |header: &str, script: &str, expect: Result<Body, &[&str]>| {
        let found = parse(&format!("{header}\n{script}"));
        let titles: Option<Vec<String>> = (found.as_ref().err())
            .map(|faults| faults.iter().map(|fault| fault.title.clone()).collect());
        let expect_titles = expect.as_ref().err().map(|titles| titles.to_vec());
        let titles = titles.as_ref();
        let titles = titles.map(|titles| titles.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(titles, expect_titles, "{header}");
        assert_eq!(
            found.ok().map(|header| header.body),
            expect.ok(),
            "{header}"
        );
    };
    let (host, guest) = ("in_host() { :; }\n", "in_guest() { :; }\n");
    let both = &format!("{host}{guest}");
    let kind = "#: kind = \"host\"";
    check(kind, host, Ok(Body::Host));
    check("", host, Ok(Body::Guest(Scripts::Host)));
    check("#: kind = \"guest\"", both, Ok(Body::Guest(Scripts::Both)));
    let has_guest = "`guest-tests/boot/x.sh` is of kind `host` and has an `in_guest`";
    check(kind, both, Err(&[has_guest]));
    check(kind, guest, Err(&[has_guest]));
    check(
        "#: smp = 2\n#: kind = \"host\"\n#: memory = \"1G\"",
        host,
        Err(&[
            "`smp` and `kind = \"host\"` exclude each other",
            "`memory` and `kind = \"host\"` exclude each other",
        ]),
    );
    check(
        "#: kind = \"host\"\n#: requires.devices = [\"edu\"]",
        host,
        Err(&["`requires.devices` and `kind = \"host\"` exclude each other"]),
    );
    check(
        "#: kind = \"device\"",
        host,
        Err(&["`device` is not `guest` or `host`"]),
    );
}
