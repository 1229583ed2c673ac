use camino::Utf8Path;

use super::*;
use crate::file::Base;
use crate::layer::Setting;

fn file(path: &str, text: &str) -> File {
    let base = Base {
        root: Utf8Path::new("/kiln"),
        home: None,
    };
    File::read(path.into(), text, base).unwrap()
}

fn settings(checkout: &str, user: &str, profile: Option<&str>) -> Settings {
    let checkout = file("kiln.toml", checkout);
    let user = file("~/kiln.toml", user);
    Settings::new(checkout, user, profile).unwrap()
}

#[test]
fn flag_beats_environment_beats_checkout_beats_user() {
    struct Row {
        flag: Option<&'static str>,
        environment: Option<&'static str>,
        checkout: &'static str,
        user: &'static str,
        profile: Option<&'static str>,
        expect: (&'static str, &'static str),
    }
    let none = Row {
        flag: None,
        environment: None,
        checkout: "",
        user: "",
        profile: None,
        expect: ("", ""),
    };
    let both = "qemu = \"/default\"\n[profile.ci]\nqemu = \"/ci\"\n";
    let rows = [
        Row {
            user: "qemu = \"/user\"",
            expect: ("/user", "~/kiln.toml:1"),
            ..none
        },
        Row {
            checkout: "qemu = \"/checkout\"",
            user: "qemu = \"/user\"",
            expect: ("/checkout", "kiln.toml:1"),
            ..none
        },
        Row {
            environment: Some("/variable"),
            checkout: both,
            profile: Some("ci"),
            expect: ("/variable", "KILN_QEMU"),
            ..none
        },
        Row {
            flag: Some("/flag"),
            environment: Some("/variable"),
            checkout: both,
            expect: ("/flag", "--qemu"),
            ..none
        },
        Row {
            checkout: both,
            profile: Some("ci"),
            expect: ("/ci", "kiln.toml:3 (profile ci)"),
            ..none
        },
        Row {
            checkout: both,
            expect: ("/default", "kiln.toml:1"),
            ..none
        },
        // A profile inherits what it does not set.
        Row {
            checkout: "qemu = \"/default\"\n[profile.ci]\nretries = 1\n",
            profile: Some("ci"),
            expect: ("/default", "kiln.toml:1"),
            ..none
        },
        // A selected profile overrides the defaults of both files.
        Row {
            checkout: "qemu = \"/default\"\n",
            user: both,
            profile: Some("ci"),
            expect: ("/ci", "~/kiln.toml:3 (profile ci)"),
            ..none
        },
        Row {
            checkout: both,
            user: "[profile.ci]\nqemu = \"/user\"\n",
            profile: Some("ci"),
            expect: ("/ci", "kiln.toml:3 (profile ci)"),
            ..none
        },
    ];
    for row in rows {
        let flags = Layer {
            qemu: Setting::of_flag("--qemu", row.flag.map(Into::into)),
            ..Layer::default()
        };
        let environment = Layer {
            qemu: Setting::of_variable("KILN_QEMU", row.environment.map(Into::into)),
            ..Layer::default()
        };
        let settings = settings(row.checkout, row.user, row.profile);
        let qemu = settings.resolve(flags, environment).values.qemu.unwrap();
        let found = (qemu.value.as_str(), qemu.origin.to_string());
        assert_eq!(found, (row.expect.0, row.expect.1.to_owned()));
    }
}

#[test]
fn every_value_falls_through_to_lower_layers() {
    let text = "arch = [\"x\"]\nqemu = \"/q\"\njobs = 2\nretries = 3\ntimeout-factor = 4\nseed = 5\n\
                reports.tap = \"t\"\n[profile.ci]\n";
    let resolved = |settings: Settings| settings.resolve(Layer::default(), Layer::default()).values;
    let user = resolved(settings("[profile.ci]\n", text, Some("ci")));
    let set = [
        user.arch.is_some(),
        user.qemu.is_some(),
        user.jobs.is_some(),
        user.retries.is_some(),
        user.timeout_factor.is_some(),
        user.seed.is_some(),
        user.reports.is_some(),
    ];
    assert_eq!(set, [true; 7]);
    assert_eq!(resolved(settings("", "", None)), Layer::default());
}

#[test]
fn overrides_of_profile_come_first() {
    let rule = |skip: &str| format!("[[override]]\nfilter = \"all()\"\nskip = \"{skip}\"\n");
    let in_profile = |skip: &str| {
        format!("[[profile.ci.override]]\nfilter = \"all()\"\nretries = 2\nskip = \"{skip}\"\n")
    };
    let checkout = rule("one") + &rule("two") + &in_profile("three");
    let user = rule("four") + &in_profile("five");
    let check = |profile, expect: &[&str]| {
        let resolved =
            settings(&checkout, &user, profile).resolve(Layer::default(), Layer::default());
        let rules = resolved.rules.iter();
        let skips: Vec<_> = rules
            .map(|rule| rule.effect.changes.skip.as_deref().unwrap())
            .collect();
        assert_eq!(skips, expect);
    };
    check(None, &["one", "two", "four"]);
    check(Some("ci"), &["three", "five", "one", "two", "four"]);
}

#[test]
fn retries_flag_overrides_the_overrides() {
    let text = "[[override]]\nfilter = \"all()\"\nretries = 2\nskip = \"no PCI\"\n";
    let settings = settings(text, "retries = 1", None);
    let check = |flag, expect| {
        let flags = Layer {
            retries: Setting::of_flag("--retries", flag),
            ..Layer::default()
        };
        let overrides = settings.resolve(flags, Layer::default()).overrides();
        let changes = &overrides[0].changes;
        assert_eq!(changes.retries, expect);
        assert_eq!(changes.skip.as_deref(), Some("no PCI (kiln.toml:2)"));
    };
    check(None, Some(2));
    check(Some(0), None);
}

#[test]
fn unknown_profile_is_refused_with_the_nearest() {
    let check = |text: &str, message: &str, hint: &str| {
        let files = (file("kiln.toml", text), File::default());
        let error = Settings::new(files.0, files.1, Some("cii")).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.hint().as_deref(), Some(hint));
    };
    check(
        "[profile.slow]\n[profile.ci]\n",
        "unknown profile `cii`: the profiles in `kiln.toml` are `ci`, `slow`",
        "--profile ci",
    );
    check(
        "",
        "unknown profile `cii`: `kiln.toml` defines no profile",
        "add `[profile.cii]` to `kiln.toml`",
    );
}

#[test]
fn committed_file_has_the_profile_of_ci() {
    let settings = settings(include_str!("../../../kiln.toml"), "", Some("ci"));
    let values = settings.resolve(Layer::default(), Layer::default()).values;
    assert!(values.seed.is_some() && values.retries.is_some() && values.timeout_factor.is_some());
    // A plain run keeps Kiln's own defaults.
    let plain = settings.checkout.defaults.layer;
    assert_eq!(plain, Layer::default());
}

#[test]
fn example_of_the_guide_is_valid() {
    let guide = include_str!("../../../docs/configuration.md");
    let (_, rest) = guide.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let settings = settings(example, "", Some("ci"));
    let resolved = settings.resolve(Layer::default(), Layer::default());
    assert!(resolved.rules.len() >= 3);
    let values = settings.checkout.defaults.layer;
    let all = [
        values.arch.is_some(),
        values.qemu.is_some(),
        values.jobs.is_some(),
        values.retries.is_some(),
        values.timeout_factor.is_some(),
        values.reports.is_some(),
    ];
    assert_eq!(all, [true; 6]);
}
