//! The header of a test file: TOML in `#:` comments, parsed without running the script.
//!
//! `guest-tests/README.md` describes the keys. An error is a [`Diagnostic`] with its location in
//! the script. [`crate::requirement`] checks whether QEMU meets a header's requirements.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;
use plan::arch::Machine;
use plan::diagnostic::Diagnostic;
use verdict::golden::filter::Filter;
use verdict::kind::TestKind;

use crate::body::{Body, Scripts};

pub mod choices;
mod expected_end;
mod names;
mod raw;
mod spans;

pub use expected_end::{ExpectedEnd, Leave};

/// The declarations of a test file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key that stands for itself"
)]
pub struct Header {
    /// The first comment.
    pub description: String,
    /// Supported architectures, empty for all.
    pub arches: Vec<String>,
    /// Architectures that are not supported. Empty if `arches` is not.
    pub except_arches: Vec<String>,
    /// The machine, by its name in the architecture's file.
    pub machine: MachineChoice,
    /// The memory in the syntax of `-m`.
    pub memory: Option<String>,
    /// Number of processors.
    pub smp: u32,
    /// The time limit of the test itself, at factor 1.
    pub timeout: Duration,
    /// Sizes of the scratch disks, in bytes.
    pub scratch: Vec<u64>,
    /// How many hotplug slots the guest has.
    pub slots: u32,
    /// Requirements for QEMU and the host.
    pub requires: Requires,
    /// Groups for selection.
    pub groups: Vec<String>,
    /// Filters for its output before the comparison with golden output.
    pub filters: Vec<Filter>,
    /// The values of choices that the script makes without values.
    pub choices: choices::Choices,
    /// Why a failure does not fail the run, with a link. Absent for a reliable test.
    pub unstable: Option<String>,
    /// Whether it is slow: it then starts first and is in the group `slow`.
    pub slow: bool,
    /// Whether it measures time: no other test of the run runs meanwhile, it is repeated if it failed on a busy
    /// host, and it is in the group `timing`.
    pub timing: bool,
    /// How guest and host communicate.
    pub channel: Channel,
    /// The stdin of the guest script.
    pub stdin: Stdin,
    /// Additional kernel parameters.
    pub append: String,
    /// What counts as a pass.
    pub ends: ExpectedEnd,
    /// Number of reboots after which the test continues.
    pub reboots: u32,
    /// Whether its guests must boot instead of being restored from a template.
    pub cold: bool,
    /// What its guests get of the host.
    pub host: HostFiles,
    /// The packages of Debian that it needs, if its guests must boot Debian.
    pub debian: Option<Vec<String>>,
    /// What it runs.
    pub body: Body,
    /// Whether the file calls its function itself, as scripts for qemu-test do.
    pub calls_itself: bool,
}

/// The machine in a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MachineChoice {
    /// The architecture's default.
    #[default]
    Default,
    /// The same for every architecture.
    Name(String),
    /// By architecture, with the default for those that are not listed.
    ByArch(BTreeMap<String, String>),
}

impl MachineChoice {
    /// The name for an architecture, if the header sets it.
    #[must_use]
    pub fn name(&self, arch: &str) -> Option<&str> {
        match self {
            Self::Default => None,
            Self::Name(name) => Some(name),
            Self::ByArch(names) => names.get(arch).map(String::as_str),
        }
    }

    /// The architectures that it lists.
    pub fn arches(&self) -> impl Iterator<Item = &String> {
        let names = if let Self::ByArch(names) = self {
            Some(names)
        } else {
            None
        };
        names.into_iter().flat_map(BTreeMap::keys)
    }
}

/// Requirements without which the test is skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requires {
    /// Device models of QEMU.
    pub devices: Vec<String>,
    /// Machine types of QEMU.
    pub machines: Vec<String>,
    /// Network backends of QEMU.
    pub netdevs: Vec<String>,
    /// Programs on the host's PATH.
    pub tools: Vec<String>,
    /// Programs that were built with QEMU.
    pub qemu_tools: Vec<String>,
    /// Options of the kernel, as `NAME=VALUE`.
    pub kernel: Vec<String>,
    /// The accelerator, `tcg` or `kvm`.
    pub accel: Option<String>,
    /// The oldest QEMU.
    pub qemu: Option<qemu::Version>,
    /// A machine whose guests continue after a migration.
    pub migration: bool,
}

/// Files of the host that a guest gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFiles {
    /// Programs by name or absolute path, and C files next to the test, which are compiled.
    pub programs: Vec<String>,
    /// Modules of the kernel that boots, each as `NAME [PARAMETER=VALUE]...`.
    pub modules: Vec<String>,
}

impl HostFiles {
    /// What must be on the host for the programs.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        let programs = self.programs.iter().map(String::as_str);
        programs.map(|name| if is_source(name) { COMPILER } else { name })
    }
}

/// The compiler of C files.
pub const COMPILER: &str = "cc";

/// Whether the name of a program is that of its source.
#[must_use]
pub fn is_source(program: &str) -> bool {
    Utf8Path::new(program).extension() == Some("c")
}

/// How guest and host talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A dedicated virtio-serial port.
    Virtio,
    /// The console, for tests whose guest must not have such a device.
    Console,
}

impl Channel {
    /// The channel on a machine. One without a device for it has the console only.
    #[must_use]
    pub fn on(self, machine: &Machine) -> Self {
        match machine.control {
            Some(_) => self,
            None => Self::Console,
        }
    }
}

/// The stdin of a guest script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// The guest's console, to which the host script can write.
    Console,
}

impl Stdin {
    /// Its name in the header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Console => "console",
        }
    }
}

impl Header {
    /// Whether it is in a group.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.all_groups().any(|name| name == group)
    }

    /// All its groups. `slow = true` and `timing = true` each add one.
    pub fn all_groups(&self) -> impl Iterator<Item = &str> {
        let slow = self.slow.then_some(SLOW);
        let timing = self.timing.then_some(TIMING);
        let groups = self.groups.iter().map(String::as_str);
        groups.chain(slow).chain(timing)
    }

    /// The devices in it: required ones and possible choices.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        let offered = self.choices.values().flat_map(choices::Offered::sources);
        let offered = offered.flat_map(|source| match source {
            choices::Source::Devices(devices) => devices.as_slice(),
            _ => &[],
        });
        self.requires
            .devices
            .iter()
            .chain(offered)
            .map(String::as_str)
    }

    /// The options of the kernel that the test requires: those that it names, and support for its processors.
    #[must_use]
    pub fn kernel_options(&self) -> Vec<String> {
        let needs_smp = self.smp > 1 && self.body.needs().image;
        let smp = needs_smp.then(|| "SMP=y".to_owned());
        self.requires.kernel.iter().cloned().chain(smp).collect()
    }
}

/// The group of slow tests.
const SLOW: &str = "slow";
/// The group of tests that measure time.
const TIMING: &str = "timing";

/// The default time limit of a test.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Header {
    /// A header with the default of every key, for a test without one.
    #[must_use]
    pub fn of_body(body: Body) -> Self {
        Self {
            description: String::new(),
            arches: Vec::new(),
            except_arches: Vec::new(),
            machine: MachineChoice::Default,
            memory: None,
            smp: 1,
            timeout: DEFAULT_TIMEOUT,
            scratch: Vec::new(),
            slots: 0,
            requires: Requires::default(),
            groups: Vec::new(),
            filters: Vec::new(),
            choices: choices::Choices::default(),
            unstable: None,
            slow: false,
            timing: false,
            channel: Channel::Virtio,
            stdin: Stdin::Null,
            append: String::new(),
            ends: ExpectedEnd::Report,
            cold: false,
            host: HostFiles::default(),
            debian: None,
            reboots: 0,
            body,
            calls_itself: false,
        }
    }

    /// Parses the header of a script. `path` is the path in diagnostics.
    pub fn parse(path: &Utf8Path, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let (toml, spans) = spans::extract(text);
        let at = |fault: spans::Fault| fault.shown(path, text, &spans);
        let parsed = raw::parse(&toml, Form::Script);
        let parsed = parsed.map(|(header, _)| header);
        let parsed = parsed.map_err(|faults| faults.into_iter().map(at));
        let first_line = |fault: BodyFault| Diagnostic {
            path: path.to_owned(),
            text: text.to_owned(),
            span: 0..text.lines().next().map_or(0, str::len),
            title: format!("`{path}` {}", fault.what),
            label: fault.label.to_owned(),
            help: Some(fault.help.to_owned()),
        };
        let kind = parsed.as_ref().ok().map(|header| header.body.kind());
        match (parsed, body(kind, scripts(text))) {
            (Ok(mut header), Ok(body)) => {
                header.body = body;
                header.calls_itself = calls_itself(text);
                header.description = description(text);
                Ok(header)
            }
            (parsed, body) => Err(parsed
                .err()
                .into_iter()
                .flatten()
                .chain(body.err().map(first_line))
                .collect()),
        }
    }
}

/// What a header is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Comments of a script.
    Script,
    /// A file of its own, next to the program of a bare-metal guest.
    Bare,
}

impl Header {
    /// Reads the header of a bare-metal test, a TOML file, and the QEMU options in it. The body is the
    /// caller's.
    pub(crate) fn parse_bare(
        path: &Utf8Path,
        text: &str,
    ) -> Result<(Self, Vec<String>), Vec<Diagnostic>> {
        let spans = spans::whole(text);
        let at = |fault: spans::Fault| fault.shown(path, text, &spans);
        let parsed = raw::parse(text, Form::Bare);
        let parsed = parsed.map_err(|faults| faults.into_iter().map(at).collect());
        parsed.map(|(header, options)| {
            let description = description(text);
            let header = Self {
                description,
                ..header
            };
            (header, options)
        })
    }
}

/// Why a test has no valid body.
struct BodyFault {
    what: &'static str,
    label: &'static str,
    help: &'static str,
}

/// The body of a test with this kind in its header.
fn body(kind: Option<TestKind>, scripts: Option<Scripts>) -> Result<Body, BodyFault> {
    match (kind, scripts) {
        (_, None) => Err(BodyFault {
            what: "has neither `in_host` nor `in_guest`",
            label: "expected `in_guest` or `in_host`",
            help: "define `in_guest() { … }` with what the guest is to do",
        }),
        (Some(TestKind::Host), Some(Scripts::Host)) => Ok(Body::Host),
        (Some(TestKind::Host), Some(Scripts::Guest | Scripts::Both)) => Err(BodyFault {
            what: "is of kind `host` and has an `in_guest`",
            label: "a test of kind `host` starts no guest",
            help: "remove `kind = \"host\"`, or `in_guest`",
        }),
        (_, Some(scripts)) => Ok(Body::Guest(scripts)),
    }
}

/// Searches for the functions at line starts, without a shell.
fn scripts(text: &str) -> Option<Scripts> {
    let defines = |name: &str| {
        text.lines().any(|line| {
            let rest = line.strip_prefix(name).map(str::trim_start);
            rest.and_then(|rest| rest.strip_prefix('('))
                .is_some_and(|rest| rest.trim_start().starts_with(')'))
        })
    };
    match (defines("in_host"), defines("in_guest")) {
        (true, true) => Some(Scripts::Both),
        (true, false) => Some(Scripts::Host),
        (false, true) => Some(Scripts::Guest),
        (false, false) => None,
    }
}

/// Searches for the `if test $QEMU_TEST` at the end of a script for qemu-test.
fn calls_itself(text: &str) -> bool {
    let asks = |line: &str| line.starts_with("if test ") || line.starts_with("if [ ");
    text.lines()
        .any(|line| asks(line) && line.contains("QEMU_TEST"))
}

/// The first comment line that is neither `#!` nor header.
fn description(text: &str) -> String {
    let comment = |line: &'_ str| {
        let rest = line.strip_prefix('#')?;
        (!rest.starts_with([':', '!'])).then(|| rest.trim().to_owned())
    };
    let mut comments = text
        .lines()
        .map_while(|line| line.starts_with('#').then_some(line));
    comments
        .find_map(|line| comment(line).filter(|text| !text.is_empty()))
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
