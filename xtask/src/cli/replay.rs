//! Formats the flags that repeat a run of tests. They parse back to the same values.

use camino::Utf8PathBuf;
use guest::config::ReproduceFlags;

use crate::cli::start::StartChoice;
use crate::cli::{AccelChoice, TestArgs};

impl AccelChoice {
    /// The flag that selects it.
    pub(crate) fn flag(self) -> Option<String> {
        match self {
            Self::Auto => None,
            Self::Tcg => Some("--accel=tcg".to_owned()),
            Self::Kvm => Some("--accel=kvm".to_owned()),
        }
    }
}

impl TestArgs {
    /// The flags of a command line that repeats a test of this run.
    #[must_use]
    pub fn running(&self, qemu: Option<Utf8PathBuf>) -> Vec<String> {
        let mut flags = Vec::new();
        if let Some(qemu) = qemu {
            flags.extend(["--qemu".to_owned(), qemu.to_string()]);
        }
        flags.extend(self.guest.accel.flag());
        match self.start.start {
            StartChoice::Auto => {}
            StartChoice::Cold => flags.push("--start=cold".to_owned()),
            StartChoice::Warm => flags.push("--start=warm".to_owned()),
        }
        for kernel in &self.kernel {
            flags.push(format!("--kernel={kernel}"));
        }
        flags.extend(self.host.flags());
        flags.extend(
            self.device
                .options
                .iter()
                .map(|option| format!("--opt={option}")),
        );
        if let Some(factor) = self.timeout_factor {
            flags.push(format!("--timeout-factor={factor}"));
        }
        flags
    }

    /// The flags of a command line that repeats a test, by the kinds of tests that they affect.
    pub(crate) fn reproducing(&self, profile: Option<&str>) -> ReproduceFlags {
        let profile = profile.map(|name| format!("--profile={name}"));
        let flags = self.running(self.guest.qemu.clone()).into_iter();
        let (guest, flags): (Vec<_>, Vec<_>) = flags.partition(|flag| {
            let of_guests = [
                "--accel=",
                "--kernel=",
                "--image=",
                "--program=",
                "--module=",
                "--start=",
            ];
            of_guests.iter().any(|start| flag.starts_with(start))
        });
        ReproduceFlags {
            all: profile.into_iter().chain(flags).collect(),
            guest,
        }
    }

    /// The flags and filters that select the same tests.
    #[must_use]
    pub fn selecting(&self) -> Vec<String> {
        let exact = self.exact.then(|| "--exact".to_owned());
        let groups = self.group.iter().map(|group| format!("--group={group}"));
        let kinds = self.kind.iter();
        let kinds = kinds.map(|kind| format!("--kind={}", kind.kind().label()));
        let expressions = self.expression.iter();
        let expressions = expressions.map(|text| format!("--filter-expr={text}"));
        let suites = self.suite.iter();
        let suites = suites.map(|dir| format!("--suite={dir}"));
        let scripts = self.ktest.iter().map(|file| format!("--ktest={file}"));
        let partition = self.partition.iter();
        let partition = partition.map(|part| format!("--partition={part}"));
        exact
            .into_iter()
            .chain(groups)
            .chain(kinds)
            .chain(expressions)
            .chain(suites)
            .chain(scripts)
            .chain(partition)
            .chain(self.filters.iter().cloned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Command};

    #[test]
    fn test_flags_are_written_as_read() {
        let words = [
            "xtask",
            "test",
            "--exact",
            "--group=a b",
            "--kind=host",
            "--filter-expr=not arch(x) | test(-y)",
            "--suite=../a b",
            "--ktest=b.ktest",
            "--partition=hash:1/2",
            "a::b",
            "c",
            "--qemu",
            "/build",
            "--accel=tcg",
            "--kernel=/linux",
            "--image=host",
            "--program=lspci",
            "--module=loop max_loop=2",
            "--opt=trace=t.log",
            "--timeout-factor=2.5",
        ];
        let Command::Test(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        let mut flags = args.selecting();
        flags.extend(args.running(args.guest.qemu.clone()));
        assert_eq!(flags, words[2..]);
    }
}
