//! Probes the capabilities of a QEMU binary: starts it without a machine and sends some QMP
//! queries. If QEMU exits over a query, it is started again for the others.
//!
//! xtask and the runner of guest tests call this once per binary and cache the answer by the
//! binary's path, size and time. Works with QEMU 7.2 and newer.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8Path;
use host::test_time::{Deadline, TestClock};
use host::wait::{Countdown as _, Limit};
use serde_json::{Value, json};

use crate::accel::Accel;
use crate::binary;
use crate::error::QemuError;
use crate::facts::{self, CpuFacts, DeviceFacts, Facts, MachineFacts};
use crate::history::History;
use crate::last_words::LastWords;
use crate::launch::argv::Fds;
use crate::qmp::{Client, QmpError};
use crate::version::Version;
use crate::vm::{ProcessSpec, Vm};

/// How long to wait for QEMU's last message and exit after it has closed its QMP connection.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Probes a binary. `machines` are those whose properties are needed (names or aliases; unknown
/// ones are ignored), `run_dir` gets QEMU's log, and `wait` is the total time limit.
///
/// If QEMU exits over a query, it is started again without that query, and [`Facts::unanswered`]
/// contains it. QEMU 7.2 exits over the properties of `microvm`.
pub fn ask(
    binary: &Utf8Path,
    machines: &[&str],
    run_dir: &Utf8Path,
    wait: Duration,
) -> Result<Facts, QemuError> {
    let probe = Probe::new(binary, run_dir, wait);
    let mut fatal = BTreeMap::new();
    loop {
        let asking = RefCell::new(None);
        let failed = match probe.start(None, |qmp| {
            let questions = Questions {
                qmp,
                end: &probe.end,
                fatal: &fatal,
                asking: &asking,
            };
            questions.facts(machines)
        }) {
            Ok(facts) => {
                return Ok(Facts {
                    data_directories: binary::data_directories(binary, wait),
                    ..facts
                });
            }
            Err(failed) => failed,
        };
        // Each query is added at most once, so the loop ends.
        match asking.into_inner() {
            Some(question) if failed.died => fatal.insert(question, last_words(&failed)),
            _ => return Err(failed.error),
        };
    }
}

/// The target of a binary, as in QMP `query-target`.
pub fn target(binary: &Utf8Path, run_dir: &Utf8Path, wait: Duration) -> Result<String, QemuError> {
    let probe = Probe::new(binary, run_dir, wait);
    let named = probe.start(None, |qmp| {
        let questions = Questions {
            qmp,
            end: &probe.end,
            fatal: &BTreeMap::new(),
            asking: &RefCell::default(),
        };
        questions.target()
    });
    named.map_err(|failed| failed.error)
}

/// The CPU models that an accelerator supports. `host` is valid with KVM only, and the host's
/// processor then determines which other models have all their features.
pub fn cpus(
    binary: &Utf8Path,
    accel: Accel,
    run_dir: &Utf8Path,
    wait: Duration,
) -> Result<Vec<CpuFacts>, QemuError> {
    let probe = Probe::new(binary, run_dir, wait);
    let models = probe.start(Some(accel), |qmp| {
        let questions = Questions {
            qmp,
            end: &probe.end,
            fatal: &BTreeMap::new(),
            asking: &RefCell::default(),
        };
        questions.cpus()
    });
    models.map_err(|failed| failed.error)
}

/// A failed probe.
struct Failed {
    error: QemuError,
    /// Whether QEMU exited, instead of refusing or not answering.
    died: bool,
    /// Whether the error contains QEMU's own explanation.
    is_explained: bool,
}

/// The starts of one binary, with a common time limit.
struct Probe<'a> {
    binary: &'a Utf8Path,
    run_dir: &'a Utf8Path,
    wait: Duration,
    clock: TestClock,
    end: Deadline,
}

impl<'a> Probe<'a> {
    fn new(binary: &'a Utf8Path, run_dir: &'a Utf8Path, wait: Duration) -> Self {
        let clock = TestClock::default();
        Self {
            binary,
            run_dir,
            wait,
            end: clock.deadline(wait),
            clock,
        }
    }

    /// Starts the binary without a machine and sends queries.
    fn start<T>(
        &self,
        accel: Option<Accel>,
        ask: impl FnOnce(Client) -> Result<T, QmpError>,
    ) -> Result<T, Failed> {
        let spec = ProcessSpec {
            binary: self.binary,
            run_dir: self.run_dir,
            directory: self.run_dir,
        };
        let started = Vm::spawn_with(spec, false, |fds| arguments(fds, accel));
        let mut vm = started.map_err(|error| Failed {
            error,
            died: false,
            is_explained: false,
        })?;
        let _followed = self.clock.follow_while(vm.pid());
        let error = match ask(vm.qmp().clone()) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !error.is_closed() {
            vm.kill();
        }
        let mut history = History::default();
        let last = vm.clock().deadline(LAST_WORDS);
        while let Some(event) = vm.next_within(Limit::while_left(&last)) {
            history.note(&event);
        }
        if let Some(found) = binary::not_qemu(self.binary, LAST_WORDS) {
            let binary = self.binary.to_owned();
            return Err(Failed {
                error: QemuError::NotQemu { binary, found },
                died: false,
                is_explained: false,
            });
        }
        let mut words = LastWords::default();
        history.messages.iter().for_each(|line| words.take(line));
        let message = words.explanation().map(|line| format!(": {line}"));
        let why = match history.exit {
            Some(exit) if error.is_closed() => {
                format!(
                    "it ended with {exit}{}",
                    message.clone().unwrap_or_default()
                )
            }
            _ if error.is_deadline() => format!("not within {} ms", self.wait.as_millis()),
            _ => error.to_string(),
        };
        Err(Failed {
            died: error.is_closed(),
            is_explained: message.is_some(),
            error: QemuError::Probe {
                binary: self.binary.to_owned(),
                why,
                stderr: history.message_tail(),
            },
        })
    }
}

/// How QEMU ended, and its last message.
fn last_words(failed: &Failed) -> String {
    let QemuError::Probe { why, stderr, .. } = &failed.error else {
        return failed.error.to_string();
    };
    if failed.is_explained {
        return why.clone();
    }
    match stderr.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("{why}: {}", line.trim()),
        None => why.clone(),
    }
}

fn arguments(fds: Fds, accel: Option<Accel>) -> Vec<String> {
    let line = "-machine none -nodefaults -no-user-config -display none -S \
                -mon chardev=kiln-qmp,mode=control -chardev";
    let mut arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    arguments.push(format!("socket,id=kiln-qmp,fd={}", fds.qmp));
    if let Some(accel) = accel {
        arguments.extend(["-accel".to_owned(), accel.as_str().to_owned()]);
    }
    arguments
}

/// An optional query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    /// The properties of a machine.
    Machine(String),
    Devices,
    /// The device types by QOM, if the human monitor does not list them.
    Types,
    Netdevs,
    Accels,
    Cpus,
    Options,
}

impl Question {
    fn subject(&self) -> String {
        match self {
            Self::Machine(name) => return facts::machine_subject(name),
            Self::Devices => facts::DEVICES_SUBJECT,
            Self::Types => "its device types",
            Self::Netdevs => "its network backends",
            Self::Accels => "its accelerators",
            Self::Cpus => "its CPU models",
            Self::Options => "its command-line options",
        }
        .to_owned()
    }
}

struct Questions<'a> {
    qmp: Client,
    end: &'a Deadline,
    /// Queries over which QEMU exited, with its last message.
    fatal: &'a BTreeMap<Question, String>,
    /// The current query, if it is optional.
    asking: &'a RefCell<Option<Question>>,
}

impl Questions<'_> {
    fn facts(&self, wanted: &[&str]) -> Result<Facts, QmpError> {
        let version = self.ask("query-version", Value::Null)?;
        let mut machines = machines(&self.ask("query-machines", Value::Null)?);
        for name in wanted {
            let Some(machine) = machines.get(*name).map(|machine| machine.name.clone()) else {
                continue;
            };
            let question = Question::Machine((*name).to_owned());
            let Some(properties) = self.try_ask(question, || self.properties(&machine))? else {
                machines.retain(|_, facts| facts.name != machine);
                continue;
            };
            for facts in machines.values_mut().filter(|facts| facts.name == machine) {
                facts.properties = Some(properties.clone());
            }
        }
        let models = self.devices()?;
        let options = self.try_ask(Question::Options, || {
            self.ask("query-command-line-options", Value::Null)
        })?;
        Ok(Facts {
            target: self.target()?,
            version: number(&version),
            package: string(&version, "package"),
            devices: models.iter().flat_map(takes).collect(),
            models,
            machines,
            netdevs: self
                .try_ask(Question::Netdevs, || self.netdevs())?
                .unwrap_or_default(),
            accels: self
                .try_ask(Question::Accels, || self.accels())?
                .unwrap_or_default(),
            cpus: self
                .try_ask(Question::Cpus, || self.cpus())?
                .unwrap_or_default(),
            data_directories: Vec::new(),
            seccomp: options.is_some_and(|options| names(&options, "option").contains("sandbox")),
            unanswered: self
                .fatal
                .iter()
                .map(|(question, why)| (question.subject(), why.clone()))
                .collect(),
        })
    }

    /// Sends a query. Returns `None` if QEMU exited over it before.
    fn try_ask<T>(
        &self,
        question: Question,
        ask: impl FnOnce() -> Result<T, QmpError>,
    ) -> Result<Option<T>, QmpError> {
        if self.fatal.contains_key(&question) {
            return Ok(None);
        }
        self.asking.replace(Some(question));
        let answer = ask()?;
        self.asking.take();
        Ok(Some(answer))
    }

    fn target(&self) -> Result<String, QmpError> {
        Ok(string(&self.ask("query-target", Value::Null)?, "arch"))
    }

    fn properties(&self, machine: &str) -> Result<BTreeSet<String>, QmpError> {
        let arguments = json!({"typename": format!("{machine}-machine")});
        Ok(names(&self.ask("qom-list-properties", arguments)?, "name"))
    }

    /// Uses the list of the human monitor. QMP has none with the aliases (`virtio-blk`) that people
    /// use, and QOM's list contains devices that users cannot create.
    fn devices(&self) -> Result<BTreeMap<String, DeviceFacts>, QmpError> {
        match self.try_ask(Question::Devices, || self.human("device_add help")) {
            Ok(Some(text)) => Ok(listed_devices(&text)),
            Err(error) if error.class != "CommandNotFound" => Err(error),
            // A QEMU may be built without the human monitor.
            Ok(None) | Err(_) => Ok(self
                .try_ask(Question::Types, || self.typed_devices())?
                .unwrap_or_default()),
        }
    }

    /// Device types by QOM, where a parent type determines the bus.
    fn typed_devices(&self) -> Result<BTreeMap<String, DeviceFacts>, QmpError> {
        let mut devices = BTreeMap::new();
        let bases = [
            ("device", None),
            ("pci-device", Some("PCI")),
            ("usb-device", Some("usb-bus")),
            ("virtio-device", Some("virtio-bus")),
        ];
        for (base, bus) in bases {
            let arguments = json!({"implements": base, "abstract": false});
            let bus = bus.map(str::to_owned);
            for name in names(&self.ask("qom-list-types", arguments)?, "name") {
                let bus = bus.clone();
                devices.insert(name, DeviceFacts { bus, alias: None });
            }
        }
        Ok(devices)
    }

    /// Also from the human monitor, because the schema lists `user` even without slirp.
    fn netdevs(&self) -> Result<BTreeSet<String>, QmpError> {
        match self.human("netdev_add help") {
            Ok(text) => Ok(text
                .lines()
                .skip(1)
                .map(|line| line.trim().to_owned())
                .collect()),
            Err(error) if error.class == "CommandNotFound" => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    fn accels(&self) -> Result<BTreeSet<String>, QmpError> {
        let arguments = json!({"implements": "accel", "abstract": false});
        let types = names(&self.ask("qom-list-types", arguments)?, "name");
        let accel = |name: &String| name.strip_suffix("-accel").map(str::to_owned);
        Ok(types.iter().filter_map(accel).collect())
    }

    /// Some targets lack the command.
    fn cpus(&self) -> Result<Vec<CpuFacts>, QmpError> {
        match self.ask("query-cpu-definitions", Value::Null) {
            Ok(list) => Ok(cpu_models(&list)),
            Err(error) if error.class == "CommandNotFound" => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn ask(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let limit = Limit::while_left(self.end);
        self.qmp.execute_within(command, arguments, limit)
    }

    fn human(&self, line: &str) -> Result<String, QmpError> {
        self.qmp.human(line, self.end.left())
    }
}

fn string(value: &Value, field: &str) -> String {
    value
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn number(version: &Value) -> Version {
    let part = |name: &str| {
        let number = version
            .get("qemu")
            .and_then(|qemu| qemu.get(name))
            .and_then(Value::as_u64);
        number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or_default()
    };
    Version::new(part("major"), part("minor"), part("micro"))
}

fn names(list: &Value, field: &str) -> BTreeSet<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|entry| string(entry, field))
        .collect()
}

/// Every machine under its name and its alias.
fn machines(list: &Value) -> BTreeMap<String, MachineFacts> {
    let mut machines = BTreeMap::new();
    for entry in list.as_array().into_iter().flatten() {
        let facts = MachineFacts {
            name: string(entry, "name"),
            deprecated: entry
                .get("deprecated")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            cpus: entry
                .get("cpu-max")
                .and_then(Value::as_u64)
                .map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            ram: entry
                .get("default-ram-id")
                .and_then(Value::as_str)
                .map(str::to_owned),
            properties: None,
        };
        if let Some(alias) = entry.get("alias").and_then(Value::as_str) {
            machines.insert(alias.to_owned(), facts.clone());
        }
        machines.insert(facts.name.clone(), facts);
    }
    machines
}

/// Sorted by name. A model is an alias if QEMU marks it as one, or if it has the same type as the
/// model after which the type is named.
fn cpu_models(list: &Value) -> Vec<CpuFacts> {
    let entries = || list.as_array().into_iter().flatten();
    let own = |entry: &Value| {
        let (name, class) = (string(entry, "name"), string(entry, "typename"));
        class.is_empty()
            || class
                .strip_prefix(&name)
                .is_some_and(|rest| rest.starts_with('-'))
    };
    let owned: BTreeSet<String> = entries()
        .filter(|entry| own(entry))
        .map(|entry| string(entry, "typename"))
        .collect();
    let model = |entry: &Value| {
        let missing = entry.get("unavailable-features").and_then(Value::as_array);
        CpuFacts {
            name: string(entry, "name"),
            alias: entry.get("alias-of").is_some()
                || (!own(entry) && owned.contains(&string(entry, "typename"))),
            usable: missing.is_none_or(Vec::is_empty),
            deprecated: entry
                .get("deprecated")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
        }
    };
    let mut models: Vec<CpuFacts> = entries().map(model).collect();
    models.sort_by(|one, other| one.name.cmp(&other.name));
    models
}

/// The names for `-device` of a type.
fn takes((name, facts): (&String, &DeviceFacts)) -> impl Iterator<Item = String> {
    std::iter::once(name.clone()).chain(facts.alias.clone())
}

/// Parses lines such as `name "virtio-blk-pci", bus PCI, alias "virtio-blk", desc "..."`.
fn listed_devices(text: &str) -> BTreeMap<String, DeviceFacts> {
    let device = |line: &str| {
        let (name, rest) = line.strip_prefix("name \"")?.split_once('"')?;
        // The description comes last and may contain any text.
        let rest = rest.split_once(", desc ").map_or(rest, |(facts, _)| facts);
        let mut facts = DeviceFacts::default();
        for fact in rest.split(", ") {
            if let Some(bus) = fact.strip_prefix("bus ") {
                facts.bus = Some(bus.to_owned());
            } else if let Some(alias) = fact.strip_prefix("alias ") {
                facts.alias = Some(alias.trim_matches('"').to_owned());
            }
        }
        Some((name.to_owned(), facts))
    };
    text.lines().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_with_their_buses_and_aliases() {
        let text = "Controller/Bridge/Hub devices:\n\
                    name \"ioh3420\", bus PCI, desc \"Intel, alias \"x\"\"\n\
                    \n\
                    name \"virtio-blk-pci\", bus PCI, alias \"virtio-blk\"\n\
                    name \"loader\", desc \"Generic Loader\"\n\
                    name \"isa-debug-exit\", bus ISA\n";
        let devices = listed_devices(text);
        let lines: Vec<String> = devices
            .iter()
            .map(|(name, facts)| format!("{name} {:?} {:?}", facts.bus, facts.alias))
            .collect();
        let expect = [
            r#"ioh3420 Some("PCI") None"#,
            r#"isa-debug-exit Some("ISA") None"#,
            "loader None None",
            r#"virtio-blk-pci Some("PCI") Some("virtio-blk")"#,
        ];
        assert_eq!(lines, expect);
        let facts = Facts {
            models: devices,
            ..Facts::default()
        };
        let types = ["virtio-blk", "virtio-blk-pci", "what"].map(|name| facts.device_type(name));
        assert_eq!(types, ["virtio-blk-pci", "virtio-blk-pci", "what"]);
    }

    #[test]
    fn machine_is_known_by_name_and_alias() {
        let machines = machines(&json!([
            {"name": "pc-q35-10.0", "alias": "q35", "cpu-max": 4096, "default-ram-id": "pc.ram"},
            {"name": "old", "deprecated": true, "cpu-max": 1},
        ]));
        assert_eq!(machines["q35"], machines["pc-q35-10.0"]);
        assert_eq!(machines["q35"].cpus, 4096);
        assert_eq!(machines["q35"].ram.as_deref(), Some("pc.ram"));
        assert!(machines["old"].deprecated);
    }

    #[test]
    fn usable_cpu_model_has_no_missing_features() {
        let models = cpu_models(&json!([
            {"name": "max", "typename": "max-x86_64-cpu", "unavailable-features": []},
            {"name": "host", "typename": "host-x86_64-cpu", "unavailable-features": ["kvm"]},
            {"name": "EPYC", "typename": "EPYC-x86_64-cpu", "alias-of": "EPYC-v1"},
            {"name": "EPYC-v1", "typename": "EPYC-v1-x86_64-cpu", "deprecated": true},
            {"name": "power9", "typename": "power9_v2.2-powerpc64-cpu"},
            {"name": "power9_v2.2", "typename": "power9_v2.2-powerpc64-cpu"},
            {"name": "cortex-a57", "typename": "cortex-a57-arm-cpu"},
        ]));
        let named = |is: fn(&CpuFacts) -> bool| -> Vec<&str> {
            let models = models.iter().filter(|model| is(model));
            models.map(|model| model.name.as_str()).collect()
        };
        assert_eq!(
            named(|model| !model.alias),
            ["EPYC-v1", "cortex-a57", "host", "max", "power9_v2.2"]
        );
        assert_eq!(named(|model| !model.usable), ["host"]);
        assert_eq!(named(|model| model.deprecated), ["EPYC-v1"]);
    }

    #[test]
    fn versions_are_read_as_qemu_writes_them() {
        let version = json!({"qemu": {"major": 10, "minor": 0, "micro": 2}, "package": "p"});
        assert_eq!(number(&version), Version::new(10, 0, 2));
    }
}
