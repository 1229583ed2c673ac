//! The TOML structure of the header, and its conversion to a [`Header`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use plan::arch::SLOTS_MAX;
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use toml::Spanned;
use verdict::golden::filter::{Filter, FilterError};
use verdict::kind::TestKind;

use super::names::Names;
use super::spans::Fault;
use super::{
    Channel, DEFAULT_TIMEOUT, ExpectedEnd, Form, Header, HostFiles, Leave, MachineChoice, Requires,
    Stdin,
};
use crate::body::{Body, Scripts};
use crate::known::Kind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    kind: Option<Spanned<String>>,
    #[serde(default)]
    arch: Vec<String>,
    #[serde(rename = "except-arch")]
    except_arch: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    machine: RawMachine,
    memory: Option<Spanned<String>>,
    smp: Option<Spanned<u32>>,
    timeout: Option<Spanned<String>>,
    #[serde(default)]
    scratch: Vec<Spanned<String>>,
    slots: Option<Spanned<u32>>,
    #[serde(default)]
    requires: RawRequires,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    filter: Vec<Spanned<String>>,
    #[serde(default)]
    choices: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    unstable: Option<Spanned<String>>,
    start: Option<Spanned<String>>,
    #[serde(default)]
    host: RawHost,
    debian: Option<RawDebian>,
    #[serde(default)]
    slow: bool,
    #[serde(default)]
    timing: bool,
    channel: Option<Spanned<String>>,
    stdin: Option<Spanned<String>>,
    #[serde(default)]
    append: String,
    ends: Option<Spanned<String>>,
    options: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    reboots: u32,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequires {
    #[serde(default)]
    devices: Vec<Spanned<String>>,
    #[serde(default)]
    machines: Vec<Spanned<String>>,
    #[serde(default)]
    netdevs: Vec<Spanned<String>>,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    qemu_tools: Vec<Spanned<String>>,
    #[serde(default)]
    kernel: Vec<Spanned<String>>,
    accel: Option<Spanned<String>>,
    qemu: Option<Spanned<String>>,
    migration: Option<Spanned<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHost {
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
}

impl From<RawHost> for HostFiles {
    fn from(RawHost { programs, modules }: RawHost) -> Self {
        Self { programs, modules }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDebian {
    packages: Vec<Spanned<String>>,
}

#[derive(Default)]
struct RawMachine(MachineChoice);

impl<'de> Deserialize<'de> for RawMachine {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = MachineChoice;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a machine's name, or names by architecture")
            }

            fn visit_str<E>(self, name: &str) -> Result<MachineChoice, E> {
                Ok(MachineChoice::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MachineChoice, A::Error> {
                let mut names = BTreeMap::new();
                while let Some((arch, name)) = map.next_entry()? {
                    names.insert(arch, name);
                }
                Ok(MachineChoice::ByArch(names))
            }
        }
        deserializer.deserialize_any(Names).map(Self)
    }
}

/// The values of `ends`.
const ENDS: &str = "`report`, `poweroff`, `reboot` or `panic`";

/// The syntax of `timeout`.
const TIMEOUT: &str = "a time such as `30s`, at most `8760h`";

/// What only a guest with an operating system has.
const SYSTEM_KEYS: [&str; 12] = [
    "channel", "choices", "debian", "ends", "filter", "host", "kind", "reboots", "scratch",
    "slots", "start", "stdin",
];

/// What only a guest has.
const GUEST_KEYS: [&str; 13] = [
    "append", "channel", "debian", "ends", "host", "machine", "memory", "reboots", "scratch",
    "slots", "smp", "start", "stdin",
];

/// Reads and checks the keys; the scripts of the body and `description` are the caller's.
pub(super) fn parse(toml: &str, form: Form) -> Result<(Header, Vec<String>), Vec<Fault>> {
    let mut raw: RawHeader = toml::from_str(toml).map_err(|error| vec![syntax(&error, toml)])?;
    let mut faults = Vec::new();
    let mut checked = Checked {
        faults: &mut faults,
    };
    let kind = checked.get(raw.kind, "`guest` or `host`", |text| match text {
        "guest" => Some(TestKind::Guest),
        "host" => Some(TestKind::Host),
        _ => None,
    });
    if kind == Some(TestKind::Host) {
        checked.no_guest_keys(toml, &raw.requires);
    }
    checked.options_fit(toml, form, raw.options.as_ref());
    let timeout = checked.get(raw.timeout, TIMEOUT, duration);
    let first_scratch = raw.scratch.first().map(Spanned::span);
    let scratch = raw.scratch.into_iter();
    let scratch: Vec<_> = scratch
        .filter_map(|text| checked.get(Some(text), "a size such as `64M`", plan::size::parse))
        .collect();
    let memory = checked.get(raw.memory, "a size such as `512M`", |text| {
        plan::size::parse(text).map(|_| text.to_owned())
    });
    let channel = checked.get(raw.channel, "`virtio` or `console`", |text| match text {
        "virtio" => Some(Channel::Virtio),
        "console" => Some(Channel::Console),
        _ => None,
    });
    let stdin_span = raw.stdin.as_ref().map(Spanned::span);
    let stdin = checked.get(raw.stdin, "`null` or `console`", |text| match text {
        "null" => Some(Stdin::Null),
        "console" => Some(Stdin::Console),
        _ => None,
    });
    let ends = checked.get(raw.ends, ENDS, |text| match text {
        "report" => Some(ExpectedEnd::Report),
        _ => Leave::parse(text).map(ExpectedEnd::Leave),
    });
    let qemu = checked.get(
        raw.requires.qemu.take(),
        "a version such as `8.0`",
        |text| text.parse().ok(),
    );
    let start = checked.get(raw.start, "`cold`", |text| (text == "cold").then_some(()));
    let smp = checked.number(raw.smp);
    let unstable = checked.get(raw.unstable, "a reason with a link", |text| {
        text.contains("://").then(|| text.to_owned())
    });
    let filters = raw.filter.into_iter();
    let filters: Vec<_> = filters.filter_map(|text| checked.filter(&text)).collect();
    let names = Names::new(qemu);
    let choices = super::choices::read(raw.choices, &names, checked.faults);
    let slots = checked.slots(raw.slots);
    checked.no_conflicts(channel, stdin.zip(stdin_span), first_scratch);
    let requires = checked.requires(raw.requires, qemu, &names);
    let header = Header {
        description: String::new(),
        except_arches: checked.except_arches(&raw.arch, raw.except_arch),
        arches: raw.arch,
        machine: raw.machine.0,
        memory,
        smp: smp.unwrap_or(1),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        scratch,
        slots,
        requires,
        groups: raw.groups,
        filters,
        choices,
        unstable,
        slow: raw.slow,
        timing: raw.timing,
        channel: channel.unwrap_or(Channel::Virtio),
        stdin: stdin.unwrap_or(Stdin::Null),
        append: raw.append,
        ends: ends.unwrap_or(ExpectedEnd::Report),
        reboots: raw.reboots,
        cold: start.is_some(),
        host: raw.host.into(),
        debian: raw.debian.map(|debian| checked.packages(debian.packages)),
        body: match kind {
            Some(TestKind::Host) => Body::Host,
            _ => Body::Guest(Scripts::Guest),
        },
        calls_itself: false,
    };
    faults.sort_by_key(|fault| fault.span.start);
    if faults.is_empty() {
        let options = raw.options.map(Spanned::into_inner);
        Ok((header, options.unwrap_or_default()))
    } else {
        Err(faults)
    }
}

struct Checked<'a> {
    faults: &'a mut Vec<Fault>,
}

impl Checked<'_> {
    /// Parses a text, or records that it is not what was `wanted`.
    fn get<T>(
        &mut self,
        text: Option<Spanned<String>>,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text?;
        let value = read(text.as_ref());
        if value.is_none() {
            self.faults.push(Fault {
                span: text.span(),
                title: format!("`{}` is not {wanted}", text.as_ref()),
                label: format!("expected {wanted}"),
                help: None,
            });
        }
        value
    }

    fn requires(
        &mut self,
        raw: RawRequires,
        qemu: Option<qemu::Version>,
        names: &Names,
    ) -> Requires {
        Requires {
            devices: names.checked(Kind::Device, raw.devices, self.faults),
            machines: names.checked(Kind::Machine, raw.machines, self.faults),
            netdevs: names.checked(Kind::Netdev, raw.netdevs, self.faults),
            tools: raw.tools,
            qemu_tools: self.qemu_tools(raw.qemu_tools),
            kernel: self.kernel_options(raw.kernel),
            accel: self.accel(raw.accel),
            qemu,
            migration: raw.migration.is_some_and(Spanned::into_inner),
        }
    }

    fn qemu_tools(&mut self, tools: Vec<Spanned<String>>) -> Vec<String> {
        let read = |text: &str| text.starts_with("qemu-").then(|| text.to_owned());
        let tools = tools.into_iter();
        let wanted = "a tool of QEMU such as `qemu-img`";
        tools
            .filter_map(|tool| self.get(Some(tool), wanted, read))
            .collect()
    }

    fn packages(&mut self, packages: Vec<Spanned<String>>) -> Vec<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        let read = |text: &str| text.chars().all(plain).then(|| text.to_owned());
        let wanted = "a package of Debian such as `jq`";
        let packages = packages.into_iter();
        packages
            .filter_map(|name| self.get(Some(name), wanted, read))
            .collect()
    }

    fn accel(&mut self, accel: Option<Spanned<String>>) -> Option<String> {
        self.get(accel, "`tcg` or `kvm`", |text| {
            matches!(text, "tcg" | "kvm").then(|| text.to_owned())
        })
    }

    fn kernel_options(&mut self, options: Vec<Spanned<String>>) -> Vec<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let read = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, "y"));
            let name = name.trim_start_matches("CONFIG_");
            let is_valid = !name.is_empty() && name.chars().all(plain) && !value.is_empty();
            is_valid.then(|| format!("{name}={value}"))
        };
        let wanted = "an option of the kernel such as `BTRFS_FS` or `NR_CPUS=8`";
        let options = options.into_iter();
        options
            .filter_map(|option| self.get(Some(option), wanted, read))
            .collect()
    }

    /// The exceptions, which a list of architectures excludes.
    fn except_arches(
        &mut self,
        arch: &[String],
        except: Option<Spanned<Vec<String>>>,
    ) -> Vec<String> {
        let Some(except) = except else {
            return Vec::new();
        };
        if !arch.is_empty() {
            self.faults.push(Fault {
                span: except.span(),
                title: "both `arch` and `except-arch`".to_owned(),
                label: "expected only one of them".to_owned(),
                help: None,
            });
        }
        except.into_inner()
    }

    /// Records values that exclude each other.
    fn no_conflicts(
        &mut self,
        channel: Option<Channel>,
        stdin: Option<(Stdin, Range<usize>)>,
        first_scratch: Option<Range<usize>>,
    ) {
        if let (Some(Channel::Console), Some(span)) = (channel, first_scratch) {
            self.faults.push(Fault {
                span,
                title: "`scratch` and `channel = \"console\"` exclude each other".to_owned(),
                label: "scratch disks are virtio devices".to_owned(),
                help: Some("give the disk to `qemu` in `in_host`".to_owned()),
            });
        }
        if let (Some(Channel::Console), Some((Stdin::Console, span))) = (channel, stdin) {
            self.faults.push(Fault {
                span,
                title: "`stdin = \"console\"` and `channel = \"console\"` exclude each other"
                    .to_owned(),
                label: "the runner itself writes to this console".to_owned(),
                help: None,
            });
        }
    }

    /// Notes keys that the form of the header excludes.
    fn options_fit(&mut self, toml: &str, form: Form, options: Option<&Spanned<Vec<String>>>) {
        match (form, options) {
            (Form::Bare, _) => self.no_system_keys(toml),
            (Form::Script, Some(options)) => self.faults.push(Fault {
                span: options.span(),
                title: "`options` is for bare-metal tests".to_owned(),
                label: "a script starts QEMU itself".to_owned(),
                help: Some("call `qemu` with these options in `in_host`".to_owned()),
            }),
            (Form::Script, None) => {}
        }
    }

    /// Notes the keys that only a guest with an operating system has.
    fn no_system_keys(&mut self, toml: &str) {
        let found = keys_in(toml, &SYSTEM_KEYS).into_iter();
        self.faults.extend(found.map(|(key, span)| Fault {
            span,
            title: format!("`{key}` is not for a bare-metal test"),
            label: "such a test has no script and no operating system".to_owned(),
            help: None,
        }));
    }

    /// Records keys that apply to guests only.
    fn no_guest_keys(&mut self, toml: &str, requires: &RawRequires) {
        let mut found = keys_in(toml, &GUEST_KEYS);
        for (key, value) in [
            ("requires.devices", requires.devices.first()),
            ("requires.machines", requires.machines.first()),
            ("requires.netdevs", requires.netdevs.first()),
            ("requires.accel", requires.accel.as_ref()),
            ("requires.kernel", requires.kernel.first()),
        ] {
            found.extend(value.map(|value| (key.to_owned(), value.span())));
        }
        let migration = requires.migration.as_ref();
        found.extend(migration.map(|value| ("requires.migration".to_owned(), value.span())));
        self.faults
            .extend(found.into_iter().map(|(key, span)| Fault {
                span,
                title: format!("`{key}` and `kind = \"host\"` exclude each other"),
                label: "a test of kind `host` starts no guest".to_owned(),
                help: None,
            }));
    }

    fn slots(&mut self, slots: Option<Spanned<u32>>) -> u32 {
        let Some(slots) = slots else { return 0 };
        if *slots.as_ref() > SLOTS_MAX {
            self.faults.push(Fault {
                span: slots.span(),
                title: format!("`slots` is {}", slots.as_ref()),
                label: format!("a guest has {SLOTS_MAX} hotplug slots at most"),
                help: None,
            });
        }
        *slots.as_ref()
    }

    fn filter(&mut self, text: &Spanned<String>) -> Option<Filter> {
        let label = match text.as_ref().parse() {
            Ok(filter) => return Some(filter),
            Err(FilterError::Form(_)) => "expected `s/REGEX/TEXT/`".to_owned(),
            Err(FilterError::Regex(error)) => error,
        };
        self.faults.push(Fault {
            span: text.span(),
            title: format!("`{}` is not a filter", text.as_ref()),
            label,
            help: None,
        });
        None
    }

    fn number(&mut self, number: Option<Spanned<u32>>) -> Option<u32> {
        let number = number?;
        if *number.as_ref() == 0 {
            self.faults.push(Fault {
                span: number.span(),
                title: "`smp` is 0".to_owned(),
                label: "a guest has at least one processor".to_owned(),
                help: None,
            });
        }
        Some(*number.as_ref())
    }
}

/// Those of these keys that a header has, with their places.
fn keys_in(toml: &str, keys: &[&str]) -> Vec<(String, Range<usize>)> {
    let found = toml::from_str::<BTreeMap<Spanned<String>, toml::Value>>(toml);
    let found = found.unwrap_or_default().into_keys();
    let found = found.filter(|key| keys.contains(&key.as_ref().as_str()));
    found
        .map(|key| (key.as_ref().clone(), key.span()))
        .collect()
}

/// Converts an error of the TOML parser, with our own message for an unknown key.
fn syntax(error: &toml::de::Error, toml: &str) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().trim();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message
        .starts_with("unknown field")
        .then(|| quoted.next())
        .flatten();
    let Some(key) = unknown else {
        let title = message.lines().next().unwrap_or_default().to_owned();
        return Fault {
            span,
            title,
            label: "in this header line".to_owned(),
            help: None,
        };
    };
    let known: Vec<&str> = quoted.collect();
    let help = match plan::suggest::closest(key, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the keys are {}", known.join(", ")),
    };
    // The location of an unknown key is the key itself.
    let start = toml
        .get(span.clone())
        .and_then(|text| text.find(key))
        .unwrap_or(0)
        + span.start;
    Fault {
        span: start..start + key.len(),
        title: format!("unknown key `{key}`"),
        label: "no key of a test's header".to_owned(),
        help: Some(help),
    }
}

fn duration(text: &str) -> Option<Duration> {
    plan::duration::parse(text)
        .ok()
        .filter(|time| !time.is_zero())
}
