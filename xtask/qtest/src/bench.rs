//! A device test and its bench: the needs and the body of a test, and the machine that it runs on.
//!
//! Tests are in `tests/device`. `guest` performs them, and `suite` pairs them with machines.

use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;

use host::wait::{Limit, poll};
use qemu::Version;

use crate::allocator::Allocator;
use crate::companion::Companion;
use crate::error::QtestError;
use crate::fdt::Node;
use crate::machine::Machine;
use crate::pci::{self, Bar, Function, HostError, Pci};
use crate::protocol::Width;
use crate::session::Session;
use crate::trace::Request;

/// A test of a device model.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// The test's file below `tests/device/src/`, which is named after the device.
    pub device: &'static str,
    /// The name of the test, a few words with hyphens.
    pub name: &'static str,
    /// What the test checks, in one line.
    pub description: &'static str,
    /// What a machine must provide.
    pub needs: &'static [&'static str],
    /// Device models that QEMU must have.
    pub models: &'static [&'static str],
    /// The oldest QEMU whose model behaves as the test expects.
    pub oldest_qemu: Version,
    /// Whether it moves the clock or interrupt lines, or needs a running machine. Only the `qtest`
    /// accelerator supports these.
    pub clock: bool,
    /// A program that runs next to QEMU. The test is skipped if it is not installed.
    pub companion: Option<Companion>,
    /// QEMU's options in addition to the machine's.
    pub arguments: &'static [&'static str],
    /// The body.
    pub body: fn(&mut Bench<'_>) -> Result<(), Failure>,
}

impl Test {
    /// The defaults for the tests of one file, which set the remaining fields.
    #[must_use]
    pub const fn of(device: &'static str, needs: &'static [&'static str]) -> Self {
        Self {
            device,
            name: "",
            description: "",
            needs,
            models: &[],
            oldest_qemu: Version::new(0, 0, 0),
            clock: false,
            companion: None,
            arguments: &[],
            body: |_| Ok(()),
        }
    }
}

impl PartialEq for Test {
    /// Tests with the same name are equal.
    fn eq(&self, other: &Self) -> bool {
        (self.device, self.name) == (other.device, other.name)
    }
}

impl Eq for Test {}

/// Why a device test did not pass.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The device did not behave as its specification says.
    #[error("{file}:{line}: {what}: expected {expected}, found {found}")]
    Unexpected {
        /// The file of the test, without its directory.
        file: String,
        /// The line of the expectation.
        line: u32,
        /// The checked value.
        what: String,
        /// The value in the specification.
        expected: String,
        /// The actual value.
        found: String,
    },
    /// A device, an address or free memory is missing.
    #[error("expected {0} on this machine")]
    Missing(String),
    /// The communication with QEMU failed.
    #[error(transparent)]
    Qtest(#[from] QtestError),
    /// The machine has no PCI host, or a register is missing.
    #[error(transparent)]
    Host(HostError),
}

impl Failure {
    /// A value that is not as expected by the test at this location.
    fn unexpected(place: &Location<'_>, what: String, expected: String, found: String) -> Self {
        let file = place.file().rsplit('/').next().unwrap_or_default();
        Self::Unexpected {
            file: file.to_owned(),
            line: place.line(),
            what,
            expected,
            found,
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Qtest(error) => Self::Qtest(error),
            error => Self::Host(error),
        }
    }
}

/// The first address of a test's memory, after the arguments of firmware calls.
const SCRATCH: u64 = 0x1000;
/// The size of a test's memory.
const MEMORY: u64 = 32 << 20;

/// The machine that a test runs on, with the state that the test uses.
pub struct Bench<'a> {
    /// The session with QEMU.
    pub session: Session,
    /// The machine.
    pub machine: &'a Machine,
    /// The requests that the user wants a disk to execute.
    pub trace: Option<Arc<[Request]>>,
    pci: Option<Pci>,
    memory: Allocator,
    notes: Vec<String>,
}

impl<'a> Bench<'a> {
    /// Creates the bench of a started machine.
    #[must_use]
    pub fn new(session: Session, machine: &'a Machine) -> Self {
        Self {
            session,
            machine,
            trace: None,
            pci: None,
            memory: Allocator::new(machine.ram + SCRATCH..machine.ram + MEMORY),
            notes: Vec::new(),
        }
    }

    /// Compares a value from a device with its specification.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and short slices: a reference at each call would be noise"
    )]
    pub fn check<T: PartialEq + Debug>(
        &self,
        what: impl Into<String>,
        found: T,
        expected: T,
    ) -> Result<(), Failure> {
        if found == expected {
            return Ok(());
        }
        Err(Failure::unexpected(
            Location::caller(),
            what.into(),
            format!("{expected:#x?}"),
            format!("{found:#x?}"),
        ))
    }

    /// Prints a line to the output of the test.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// The printed lines.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Polls until the condition holds, for work that a device does in its own thread.
    #[track_caller]
    pub fn wait_until(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&mut Self) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let place = Location::caller();
        let deadline = self.session.deadline();
        let answer = poll(Limit::while_left(&deadline), || {
            ask(self).map(|holds| holds.then_some(())).transpose()
        });
        answer.map_err(|_| {
            let expected = format!("true within {} s", self.session.wait().as_secs_f64());
            Failure::unexpected(place, what.to_owned(), expected, "false".to_owned())
        })?
    }

    /// An address or number from the machine's data.
    pub fn at(&self, name: &str) -> Result<u64, Failure> {
        let known = self.machine.at.get(name).copied();
        known.ok_or_else(|| Failure::Missing(format!("`{name}`")))
    }

    /// The path in QEMU's object tree of the first device of this type that the machine itself made.
    /// The transcript has it as a comment, as it is an answer of QMP.
    pub fn device_path(&mut self, kind: &str) -> Result<String, Failure> {
        const PARENT: &str = "/machine/unattached";
        let tree = format!("info qom-tree {PARENT}");
        let tree = self.session.human(&tree);
        let tree = tree.map_err(|error| Failure::Missing(format!("a list of devices: {error}")))?;
        let suffix = format!(" ({kind})");
        let names = tree.lines().filter_map(|line| {
            let name = line.strip_prefix("  /")?.strip_suffix(&suffix)?;
            (!name.starts_with(' ')).then_some(name)
        });
        // Numbers are not padded: `device[9]` comes before `device[10]`.
        let first = names.min_by_key(|name| (name.len(), *name));
        let first = first.map(|name| format!("{PARENT}/{name}"));
        let missing = || Failure::Missing(format!("a device `{kind}`"));
        let path = first.ok_or_else(missing)?;
        self.session.comment(&format!("{path}{suffix}"));
        Ok(path)
    }

    /// Takes some RAM. It is free again after `release`.
    pub fn allocate(&mut self, size: u64, align: u64) -> Result<u64, Failure> {
        let missing = || Failure::Missing(format!("{size} bytes of RAM"));
        self.memory.allocate(size, align).ok_or_else(missing)
    }

    /// Frees RAM that the test no longer uses.
    pub fn release(&mut self, address: u64) -> Result<(), Failure> {
        let is_released = self.memory.release(address);
        self.check(format!("{address:#x} is allocated"), is_released, true)
    }

    /// The nodes of the device tree that QEMU leaves in RAM.
    pub fn device_tree(&mut self) -> Result<Vec<Node>, Failure> {
        Ok(pci::device_tree(&mut self.session, self.machine)?)
    }

    /// The machine's PCI host.
    pub fn pci(&mut self) -> Result<(&mut Session, &mut Pci), Failure> {
        let pci = match self.pci.take() {
            Some(pci) => pci,
            None => Pci::of(&mut self.session, self.machine, self.machine.ram)?,
        };
        Ok((&mut self.session, self.pci.insert(pci)))
    }

    /// Finds a function by vendor and device, and enables it.
    pub fn function(&mut self, vendor: u16, device: u16) -> Result<Function, Failure> {
        let (session, pci) = self.pci()?;
        let missing = || Failure::Missing(format!("a PCI function {vendor:04x}:{device:04x}"));
        let function = pci.find(session, vendor, device)?.ok_or_else(missing)?;
        pci.enable(session, function)?;
        Ok(function)
    }

    /// Places a base address register. One that has been placed keeps its address.
    pub fn map(&mut self, function: Function, index: u8) -> Result<Bar, Failure> {
        let (session, pci) = self.pci()?;
        Ok(pci.map(session, function, index)?)
    }

    /// Finds a function and places one of its base address registers.
    pub fn region(&mut self, vendor: u16, device: u16, index: u8) -> Result<Bar, Failure> {
        let function = self.function(vendor, device)?;
        self.map(function, index)
    }

    /// Reads configuration space.
    pub fn config(&mut self, function: Function, width: Width, at: u16) -> Result<u32, Failure> {
        let (session, pci) = self.pci()?;
        Ok(pci.read(session, function, width, at)?)
    }

    /// Writes configuration space.
    pub fn set_config(
        &mut self,
        function: Function,
        width: Width,
        at: u16,
        value: u32,
    ) -> Result<(), Failure> {
        let (session, pci) = self.pci()?;
        Ok(pci.write(session, function, width, at, value)?)
    }

    /// Reads a register of a device.
    pub fn read(&mut self, bar: Bar, width: Width, at: u64) -> Result<u64, Failure> {
        Ok(bar.read(&mut self.session, width, at)?)
    }

    /// Writes a register of a device.
    pub fn write(&mut self, bar: Bar, width: Width, at: u64, value: u64) -> Result<(), Failure> {
        Ok(bar.write(&mut self.session, width, at, value)?)
    }
}
