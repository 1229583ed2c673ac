//! What a test requires of its setting, and how long it may take there.

use std::time::Duration;

use kernel::Config;
use plan::arch::Machine;
use qemu::Accel;
use suite::requirement::{self, Offer};

use super::{FOR_EVER, Setting};
use crate::accel::is_native;

impl Setting<'_> {
    /// What the test requires and does not find here.
    pub(super) fn unmet(&self, machine: &Machine) -> Option<String> {
        let offer = Offer {
            arch: self.test.arch,
            profile: &self.arch.arch.qemu,
            facts: &self.arch.facts,
            without_driver: self.arch.without_driver(),
            accel: self.arch.accel,
            has_debian: (self.arch.image.as_ref()).is_some_and(|image| image.system.is_some()),
        };
        let tools = requirement::Tools {
            on_path: &|tool| host::tools::find_in(tool, &self.config.path).is_some(),
            of_qemu: &|tool| self.arch.tools.find(tool).is_some(),
            native: is_native(&self.arch.arch),
        };
        let header = &self.test.test.header;
        requirement::unmet(header, machine, &offer, tools)
            .or_else(|| self.missing_option(&header.kernel_options()))
    }

    /// The first option that the kernel lacks, if its config is known.
    fn missing_option(&self, required: &[String]) -> Option<String> {
        if required.is_empty() {
            return None;
        }
        let config = self.arch.image.as_ref()?.config();
        let config = Config::parse(&host::files::read_text(&config).ok()??);
        let missing = config.first_missing(required)?;
        Some(format!(
            "the kernel lacks CONFIG_{missing}: boot another one with `--kernel`"
        ))
    }

    /// A limit of the test's or the profile's for this run: both are meant for TCG.
    pub(super) fn scaled(&self, limit: Duration) -> Duration {
        let accel = match self.arch.accel {
            Accel::Tcg => 1.0,
            Accel::Kvm => f64::from(self.arch.arch.qemu.kvm_timeout_permille) / 1000.0,
        };
        let factor = (self.config.timeout_factor * accel).clamp(0.01, 1000.0);
        limit.mul_f64(factor)
    }

    /// How long the test may take.
    pub(super) fn test_limit(&self) -> Duration {
        if self.config.debug.is_unlimited() {
            return FOR_EVER;
        }
        let header = self.test.test.header.timeout;
        self.scaled(self.job.changes.timeout.unwrap_or(header))
    }
}
