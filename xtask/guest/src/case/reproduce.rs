//! The command line that repeats a test.

use host::process::command::quote;
use suite::Body;

use crate::config::ReproduceFlags;
use crate::job::Job;

/// The command line that repeats a job of a run.
pub(super) fn reproduce(flags: &ReproduceFlags, job: &Job<'_>) -> String {
    let test = job.test;
    let mut line = format!(
        "cargo xtask test --exact {} --arch {} --seed {}",
        quote(test.name()),
        quote(test.arch),
        job.seed
    );
    for (name, value) in &job.forced {
        line.push_str(" --choose ");
        line.push_str(&quote(format!("{name}={value}")));
    }
    let mut of_kind = Vec::new();
    match &test.test.header.body {
        Body::Guest(_) | Body::Bare(_) => of_kind.extend_from_slice(&flags.guest),
        Body::Host | Body::Device(..) => {}
        Body::Ktest(script) => {
            of_kind.extend_from_slice(&flags.guest);
            of_kind.extend(["--ktest".to_owned(), script.shown.to_string()]);
        }
        Body::Suite(test) => {
            of_kind.extend_from_slice(&flags.guest);
            of_kind.extend(["--suite".to_owned(), test.tree.shown.to_string()]);
        }
    }
    for flag in flags.all.iter().chain(&of_kind) {
        line.push(' ');
        line.push_str(&quote(flag));
    }
    line
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use suite::header::Header;
    use suite::overrides::Changes;
    use suite::{Selected, TestFile};

    use super::*;

    #[test]
    fn command_has_the_flags_of_its_kind() {
        let check = |script: &str, choices: &[(&str, &str)], expect: &str| {
            let path = Utf8Path::new("guest-tests/a/b.sh");
            let test = TestFile {
                area: "a".to_owned(),
                test: "b".to_owned(),
                path: path.to_owned(),
                header: Header::parse(path, script).unwrap(),
                golden: Vec::new(),
            };
            let forced = choices.iter();
            let job = Job {
                test: Selected {
                    arch: "x",
                    test: &test,
                },
                round: 0,
                seed: 7,
                forced: forced
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                changes: Changes::default(),
                start: None,
            };
            let flags = ReproduceFlags {
                all: vec!["--qemu".to_owned(), "/a b".to_owned()],
                guest: vec!["--accel=tcg".to_owned()],
            };
            let expect = format!("cargo xtask test --exact x::a::b --arch x --seed 7{expect}");
            assert_eq!(reproduce(&flags, &job), expect);
        };
        let guest = "in_guest() { :; }\n";
        check(guest, &[], " --qemu '/a b' --accel=tcg");
        check(
            guest,
            &[("n", "1")],
            " --choose n=1 --qemu '/a b' --accel=tcg",
        );
        check(
            "#: kind = \"host\"\nin_host() { :; }\n",
            &[],
            " --qemu '/a b'",
        );
    }
}
