//! Saves the state of a guest to a file and loads it again. The memory is in a separate file
//! ([`crate::Launch::bare`]).
//!
//! In QEMU's terms this is a migration (`docs/devel/migration/main.rst`). It is refused or fails as
//! a whole: a guest that was not loaded never runs.

use std::time::Duration;

use camino::Utf8Path;
use host::wait::Limit;
use serde_json::{Value, json};

use crate::last_words::LastWords;
use crate::qmp::QmpError;
use crate::vm::{Vm, VmEvent};

/// Excludes memory that QEMU shares with a file from the saved state.
const IGNORE_SHARED: &str = "x-ignore-shared";

/// How long a QEMU that failed to load a guest may take to exit.
const QUIT_WAIT: Duration = Duration::from_secs(5);

/// Why a guest was not saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum SavingError {
    /// A device cannot be saved, or QEMU lacks a feature: it will never work.
    #[error("{0}")]
    Impossible(String),
    /// It failed this time.
    #[error("{0}")]
    Failed(String),
}

impl SavingError {
    fn new(command: &str, error: &QmpError) -> Self {
        let text = format!("QMP `{command}`: {}", error.desc);
        if error.is_closed() || error.is_deadline() {
            return Self::Failed(text);
        }
        Self::of_text(text)
    }

    /// QEMU uses one error class for all of this, so only the message distinguishes the cases
    /// (`migration.c`, `qapi/migration.json`).
    fn of_text(text: String) -> Self {
        if is_lasting(&text) {
            Self::Impossible(text)
        } else {
            Self::Failed(text)
        }
    }
}

fn is_lasting(text: &str) -> bool {
    let lasting = [
        "non-migratable",
        "unknown migration protocol",
        "Unknown ramblock",
        "Unknown savevm section",
        "Invalid parameter",
        "is not a valid",
        IGNORE_SHARED,
    ];
    lasting.iter().any(|words| text.contains(words))
}

/// Saves the state of a guest. Afterwards the guest is stopped.
pub fn save(vm: &Vm, state: &Utf8Path, limit: Limit<'_>) -> Result<(), SavingError> {
    ignore_shared(vm, true, limit)?;
    execute(
        vm,
        "migrate",
        json!({ "uri": format!("file:{state}") }),
        limit,
    )?;
    finish(vm, limit)
}

/// Loads a saved state into a QEMU that waits for one (`-incoming defer`). The guest is then
/// stopped. A QEMU that failed to load is ended.
pub fn load(vm: &mut Vm, state: &Utf8Path, limit: Limit<'_>) -> Result<(), SavingError> {
    load_state(vm, state, limit).map_err(|error| match error {
        SavingError::Failed(text) => explained(vm, text),
        lasting @ SavingError::Impossible(_) => lasting,
    })
}

/// Adds QEMU's output about a failed load: only its messages name the device, and by default it
/// exits (`process_incoming_migration_co` in `migration/migration.c`).
fn explained(vm: &mut Vm, text: String) -> SavingError {
    vm.quit(QUIT_WAIT);
    let until = vm.clock().deadline(QUIT_WAIT);
    let mut words = LastWords::default();
    while let Some(event) = vm.next_within(Limit::while_left(&until)) {
        let VmEvent::Stderr(line) = event else {
            continue;
        };
        if is_lasting(&line) {
            return SavingError::of_text(line);
        }
        words.take(&line);
    }
    let message = words.best().map(|line| format!(": {line}"));
    SavingError::of_text(text + &message.unwrap_or_default())
}

fn load_state(vm: &Vm, state: &Utf8Path, limit: Limit<'_>) -> Result<(), SavingError> {
    ignore_shared(vm, true, limit)?;
    let source = json!({ "uri": format!("file:{state}") });
    execute(vm, "migrate-incoming", source, limit)?;
    finish(vm, limit)?;
    // A migration by the test itself includes the memory.
    ignore_shared(vm, false, limit)
}

/// Device and function numbers of the PCI functions on the first bus.
pub fn pci_functions(vm: &Vm, limit: Limit<'_>) -> Result<Vec<(u64, u64)>, SavingError> {
    let buses = execute(vm, "query-pci", Value::Null, limit)?;
    let devices = buses[0]["devices"].as_array().into_iter().flatten();
    Ok(devices
        .filter_map(|device| Some((device["slot"].as_u64()?, device["function"].as_u64()?)))
        .collect())
}

fn ignore_shared(vm: &Vm, state: bool, limit: Limit<'_>) -> Result<(), SavingError> {
    let capability = json!({ "capability": IGNORE_SHARED, "state": state });
    let arguments = json!({ "capabilities": [capability] });
    execute(vm, "migrate-set-capabilities", arguments, limit).map(|_| ())
}

fn execute(
    vm: &Vm,
    command: &str,
    arguments: Value,
    limit: Limit<'_>,
) -> Result<Value, SavingError> {
    vm.qmp()
        .execute_within(command, arguments, limit)
        .map_err(|error| SavingError::new(command, &error))
}

/// Waits for the end of a migration in either direction.
fn finish(vm: &Vm, limit: Limit<'_>) -> Result<(), SavingError> {
    let ended = || {
        let state = match execute(vm, "query-migrate", Value::Null, limit) {
            Ok(state) => state,
            Err(error) => return Some(Err(error)),
        };
        match state["status"].as_str() {
            Some("completed") => Some(Ok(())),
            Some(status @ ("failed" | "cancelled")) => {
                let why = state["error-desc"].as_str().unwrap_or("no reason given");
                let text = format!("migration {status}: {why}");
                Some(Err(SavingError::of_text(text)))
            }
            _ => None,
        }
    };
    host::wait::poll(limit, ended)
        .unwrap_or_else(|error| Err(SavingError::Failed(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permanent_refusals_are_distinguished() {
        let check = |text: &str, lasting: bool| {
            let error = SavingError::of_text(text.to_owned());
            assert_eq!(
                matches!(error, SavingError::Impossible(_)),
                lasting,
                "{text}"
            );
        };
        check(
            "State blocked by non-migratable device '0000:00:01.0/nvme'",
            true,
        );
        check("unknown migration protocol: file:/x", true);
        check("Invalid parameter 'x-ignore-shared'", true);
        check("migration failed: No space left on device", false);
        check("migration failed: no reason given", false);
    }
}
