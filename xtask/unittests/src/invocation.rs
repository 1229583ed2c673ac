//! Decides whether a test of kvm-unit-tests runs here, and with which QEMU arguments. Pure.
//!
//! The order of the checks is that of `run()` in `scripts/runtime.bash`.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::environment;
use crate::harness::Status;
use crate::values::{Scope, ShellError, condition, words};
use crate::{MIGRATION, UnitTest};

/// The platform of a test.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// The accelerator of the run, `tcg` or `kvm`.
    pub accel: &'a str,
    /// Whether QEMU has a device.
    pub has_device: &'a dyn Fn(&str) -> bool,
    /// The version of QEMU: the text after `QEMU emulator version` in its `--version`.
    pub qemu: &'a str,
    /// The release of the host's kernel.
    pub kernel: &'a str,
    /// Number of processors of the host.
    pub processors: usize,
    /// Seconds since 1970.
    pub now: u64,
    /// The directory of the run for the boot disk of an EFI program.
    pub efi_directory: &'a Utf8Path,
    /// Returns the content of a file, if it exists.
    pub read: &'a dyn Fn(&Utf8Path) -> Option<String>,
}

/// Why a test does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It gives no result here.
    Skip(String),
    /// Its section is invalid.
    Fault(String),
}

impl From<ShellError> for Refusal {
    fn from(error: ShellError) -> Self {
        match error {
            ShellError::Unsupported { .. } => Self::Skip(error.to_string()),
            ShellError::Malformed { .. } => Self::Fault(error.to_string()),
        }
    }
}

/// What a test needs from the harness while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Plain,
    /// A migration when it requests one.
    Migration,
    /// A panic of the guest counts as a pass.
    Panic,
}

/// How to start a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Arguments before `-kernel`.
    pub before: Vec<String>,
    /// The kernel.
    pub kernel: Utf8PathBuf,
    /// The place of the kernel in the boot disk, if firmware starts it as an EFI program.
    pub program: Option<Utf8PathBuf>,
    /// Arguments after it.
    pub after: Vec<String>,
    /// The content of the initrd, if any.
    pub environment: Option<String>,
    /// The time limit, or `None` for no limit.
    pub timeout: Option<Duration>,
    /// The source of its status.
    pub status: Status,
    /// What it needs while it runs.
    pub mode: Mode,
}

/// The default limit.
const DEFAULT_TIMEOUT: &str = "90s";
/// The time that EFI firmware needs in addition.
const FIRMWARE_TIME: Duration = Duration::from_secs(10);

impl UnitTest {
    /// How the test is started, or why it is not.
    pub fn invocation(&self, host: &Host<'_>) -> Result<Invocation, Refusal> {
        let section = &self.section;
        let tree = &*self.tree;
        let config = |name: &str| {
            tree.config
                .get(name)
                .map(String::as_str)
                .unwrap_or_default()
        };
        if !section.faults.is_empty() {
            return Err(Refusal::Fault(format!(
                "unittests.cfg: {}",
                section.faults.join("; ")
            )));
        }
        let skip = |reason: String| Err(Refusal::Skip(reason));
        if self.is_in("pv-host") && config("GEN_SE_HEADER").is_empty() {
            return skip("no gen-se-header available for a pv-host test".to_owned());
        }
        if let Some(arch) = only(section.arch.as_ref()).filter(|arch| *arch != config("ARCH")) {
            return skip(format!("`{arch}` only"));
        }
        let accel = only(section.accel.as_ref()).unwrap_or(host.accel);
        let accel_name = accel.split(',').next().unwrap_or_default();
        if accel_name != host.accel {
            return skip(format!(
                "`{accel}` only, and the accelerator is {}",
                host.accel
            ));
        }
        let variables = self.variables(host, accel);
        let scope = Scope {
            variables: &variables,
            now: host.now,
        };
        if let Some(disabled_if) = only(section.disabled_if.as_ref())
            && condition::holds(disabled_if, scope)?
        {
            return skip(format!("disabled because: {disabled_if}"));
        }
        self.check_files(host)?;
        let file = only(section.file.as_ref());
        let file = file.ok_or_else(|| Refusal::Fault("unittests.cfg: no `file`".to_owned()))?;
        let efi = tree.efi();
        let file = match (efi, file.strip_suffix(".flat")) {
            (Some(_), Some(name)) => format!("{name}.efi"),
            _ => file.to_owned(),
        };
        let kernel = tree.root.join(config("TEST_DIR")).join(&file);
        if (host.read)(&kernel).is_none() {
            return skip(format!("`{}/{file}` does not exist", config("TEST_DIR")));
        }
        let lacks = |device: &&String| !(host.has_device)(device);
        if let Some(device) = tree.harness.needs.iter().find(lacks) {
            return skip(format!("QEMU lacks the device `{device}`"));
        }
        let timeout = section.timeout.as_deref().unwrap_or(DEFAULT_TIMEOUT);
        let timeout = duration(timeout)
            .ok_or_else(|| Refusal::Fault(format!("unittests.cfg: invalid timeout `{timeout}`")))?;
        let mut before = self.harness_arguments(host, scope)?;
        let mut after = self.own_arguments(scope)?;
        let mut environment = self.environment(host)?;
        let mut timeout = (!timeout.is_zero()).then_some(timeout);
        if let Some(efi) = efi {
            let firmware = variables.get("EFI_UEFI").map(String::as_str);
            let firmware = firmware.unwrap_or_default();
            if (host.read)(&tree.root.join(firmware)).is_none() {
                return skip(format!(
                    "UEFI firmware not found: `{firmware}`; EFI_UEFI in config.mak names another one"
                ));
            }
            before.extend(words(&efi.before, scope)?);
            after.extend(words(&efi.after, scope)?);
            // QEMU takes an initrd only with a kernel.
            environment = None;
            timeout = timeout.map(|limit| limit + FIRMWARE_TIME);
        }
        Ok(Invocation {
            before,
            kernel,
            program: efi.map(|efi| host.efi_directory.join(&efi.program)),
            after,
            environment,
            timeout,
            status: tree.harness.status,
            mode: match self.assisted() {
                Some(MIGRATION) => Mode::Migration,
                Some(_) => Mode::Panic,
                None => Mode::Plain,
            },
        })
    }

    fn variables(&self, host: &Host<'_>, accel: &str) -> BTreeMap<String, String> {
        let mut variables = self.tree.config.clone();
        let machine = self.section.machine.clone().unwrap_or_default();
        for (name, value) in [
            ("ACCEL", accel.to_owned()),
            ("ACCEL_NAME", host.accel.to_owned()),
            ("MACHINE", machine),
            ("MAX_SMP", host.processors.to_string()),
        ] {
            variables.insert(name.to_owned(), value);
        }
        if let Some(efi) = self.tree.efi() {
            let firmware = || efi.firmware.clone();
            variables
                .entry("EFI_UEFI".to_owned())
                .or_insert_with(firmware);
            variables.insert("EFI_DIR".to_owned(), host.efi_directory.to_string());
        }
        variables
    }

    /// `check = PATH=VALUE …`
    fn check_files(&self, host: &Host<'_>) -> Result<(), Refusal> {
        let check = self.section.check.as_deref().unwrap_or_default();
        for check in check.split_whitespace() {
            let (path, value) = check.split_once('=').unwrap_or((check, check));
            let found = (host.read)(&self.tree.root.join(path));
            let found = found.as_deref().map(|text| text.trim_end_matches('\n'));
            if found != Some(value) {
                return Err(Refusal::Skip(format!("{path} not equal to {value}")));
            }
        }
        Ok(())
    }

    fn harness_arguments(&self, host: &Host<'_>, scope: Scope<'_>) -> Result<Vec<String>, Refusal> {
        let mut all = Vec::new();
        for arguments in &self.tree.harness.args {
            let has = |device: &String| (host.has_device)(device);
            let applies = match &arguments.when {
                Some(when) => condition::holds(when, scope)?,
                None => true,
            };
            if applies && arguments.device.as_ref().is_none_or(has) {
                all.extend(words(&arguments.text, scope)?);
            }
        }
        Ok(all)
    }

    /// `-smp`, `-append` and `qemu_params`. Without `test_args`, `-append` is omitted, because QEMU
    /// would add the kernel's name to the command line.
    fn own_arguments(&self, scope: Scope<'_>) -> Result<Vec<String>, Refusal> {
        let section = &self.section;
        let smp = section.smp.as_deref().unwrap_or("1");
        let mut all = words(&format!("-smp {smp}"), scope)?;
        if let Some(args) = &section.test_args {
            all.extend(words(&format!("-append {args}"), scope)?);
        }
        if let Some(params) = &section.params {
            all.extend(words(params, scope)?);
        }
        Ok(all)
    }

    fn environment(&self, host: &Host<'_>) -> Result<Option<String>, Refusal> {
        let config = &self.tree.config;
        if config
            .get("ENVIRON_DEFAULT")
            .is_none_or(|value| value != "yes")
        {
            return Ok(None);
        }
        let facts = environment::Facts {
            accel: host.accel,
            target: config.get("TARGET").map(String::as_str).unwrap_or_default(),
            qemu: host.qemu,
            kernel: host.kernel,
            errata: self.tree.errata.as_deref(),
        };
        environment::file(facts).map(Some).map_err(Refusal::Fault)
    }
}

/// A value that restricts a test. An empty one does not.
fn only(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}

/// Parses a duration in the syntax of `timeout(1)`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        Some((at, 'd')) => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    let is_number = number.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let seconds: f64 = number.parse().ok().filter(|_| is_number)?;
    Duration::try_from_secs_f64(seconds * unit).ok()
}
