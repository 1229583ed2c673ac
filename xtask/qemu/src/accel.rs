//! Decides which accelerator a run uses, and defines how a broken one is detected.
//!
//! `/dev/kvm` may exist, open and even run a trivial guest, and still not run Linux: QEMU then
//! pauses forever with "KVM internal error". Therefore KVM is used only after the real image has
//! booted with it. `guest` makes that boot, and the caller caches its verdict for this boot of the
//! host.

use plan::arch::QemuProfile;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// QEMU's translator.
    Tcg,
    /// The host's processor.
    Kvm,
}

impl Accel {
    /// QEMU's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }
}

/// The requested accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccelRequest {
    /// KVM if it works, else TCG.
    #[default]
    Auto,
    /// TCG.
    Tcg,
    /// KVM, or an error.
    Kvm,
}

/// The state of `/dev/kvm` for this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// It does not exist.
    Absent,
    /// It may not be opened.
    Denied,
    /// It can be opened. Whether it works is unknown.
    Opens,
}

/// The result of a trial boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The image booted.
    Works,
    /// The image did not boot.
    Fails {
        /// The reason, one line.
        why: String,
    },
}

/// The facts about the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKvm<'a> {
    /// `uname -m`.
    pub machine: &'a str,
    /// The state of `/dev/kvm`.
    pub device: Device,
    /// The verdict of an earlier trial.
    pub verdict: Option<&'a Verdict>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Use this one. The reason is present if another one was requested or could be expected.
    Use(Accel, Option<String>),
    /// Boot the image with KVM and a deadline, then decide again with the verdict.
    Try,
    /// KVM was required and is not available.
    Refuse(String),
}

/// Decides from its arguments alone.
#[must_use]
pub fn decide(
    request: AccelRequest,
    profile: &QemuProfile,
    facts: &Facts,
    host: &HostKvm<'_>,
) -> Decision {
    if request == AccelRequest::Tcg {
        return Decision::Use(Accel::Tcg, None);
    }
    let obstacle = if !profile.native.iter().any(|machine| machine == host.machine) {
        // KVM cannot run a foreign architecture, so no note is needed.
        if request == AccelRequest::Auto {
            return Decision::Use(Accel::Tcg, None);
        }
        format!(
            "a `{}` host cannot run this architecture in KVM",
            host.machine
        )
    } else if !facts.has_accel("kvm") {
        "the QEMU binary has no KVM compiled in".to_owned()
    } else {
        match (host.device, host.verdict) {
            (Device::Absent, _) => "`/dev/kvm` does not exist".to_owned(),
            (Device::Denied, _) => "this user has no permission to open `/dev/kvm`".to_owned(),
            (Device::Opens, None) => return Decision::Try,
            (Device::Opens, Some(Verdict::Works)) => return Decision::Use(Accel::Kvm, None),
            (Device::Opens, Some(Verdict::Fails { why })) => why.clone(),
        }
    };
    match request {
        AccelRequest::Kvm => Decision::Refuse(obstacle),
        AccelRequest::Auto | AccelRequest::Tcg => {
            Decision::Use(Accel::Tcg, Some(format!("using TCG: {obstacle}")))
        }
    }
}

/// Checks `/dev/kvm`.
#[must_use]
pub fn device() -> Device {
    let opened = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    match opened {
        Ok(_) => Device::Opens,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Device::Absent,
        Err(_) => Device::Denied,
    }
}

/// The run state after a KVM internal error, as returned by `Vm::status`.
pub const INTERNAL_ERROR: &str = "internal-error";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use plan::arch::{Ordinary, OrdinaryKernel};

    use super::*;
    use crate::version::Version;

    fn profile() -> QemuProfile {
        QemuProfile {
            binary: String::new(),
            native: vec!["x86_64".into()],
            machine: String::new(),
            qemu_test_machine: None,
            memory: String::new(),
            boot_timeout: Duration::from_secs(1),
            kvm_timeout_permille: 500,
            append: String::new(),
            without_driver: BTreeSet::new(),
            machines: BTreeMap::new(),
            ordinary: Ordinary {
                kernel: OrdinaryKernel::Plain,
                args: Vec::new(),
                append: String::new(),
            },
        }
    }

    fn facts(accels: &[&str]) -> Facts {
        Facts {
            version: Version::new(10, 0, 0),
            accels: accels.iter().map(|name| (*name).to_owned()).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn kvm_is_used_only_if_image_boots() {
        let check = |machine: &str, accels: &[&str], device: Device, verdict, expect: [&str; 3]| {
            let host = HostKvm {
                machine,
                device,
                verdict,
            };
            let decisions = [AccelRequest::Auto, AccelRequest::Tcg, AccelRequest::Kvm]
                .map(|request| decide(request, &profile(), &facts(accels), &host));
            let text = decisions.map(|decision| match decision {
                Decision::Use(accel, None) => accel.as_str().to_owned(),
                Decision::Use(accel, Some(why)) => format!("{}: {why}", accel.as_str()),
                Decision::Try => "try".to_owned(),
                Decision::Refuse(why) => format!("refuse: {why}"),
            });
            assert_eq!(text, expect);
        };
        let both = ["kvm", "tcg"].as_slice();
        let fails = Verdict::Fails {
            why: "KVM internal error. Suberror: 1".into(),
        };
        check(
            "x86_64",
            both,
            Device::Opens,
            Some(&Verdict::Works),
            ["kvm", "tcg", "kvm"],
        );
        check("x86_64", both, Device::Opens, None, ["try", "tcg", "try"]);
        check(
            "x86_64",
            both,
            Device::Opens,
            Some(&fails),
            [
                "tcg: using TCG: KVM internal error. Suberror: 1",
                "tcg",
                "refuse: KVM internal error. Suberror: 1",
            ],
        );
        check(
            "x86_64",
            both,
            Device::Absent,
            Some(&Verdict::Works),
            [
                "tcg: using TCG: `/dev/kvm` does not exist",
                "tcg",
                "refuse: `/dev/kvm` does not exist",
            ],
        );
        check(
            "x86_64",
            both,
            Device::Denied,
            None,
            [
                "tcg: using TCG: this user has no permission to open `/dev/kvm`",
                "tcg",
                "refuse: this user has no permission to open `/dev/kvm`",
            ],
        );
        check(
            "x86_64",
            &["tcg"],
            Device::Opens,
            None,
            [
                "tcg: using TCG: the QEMU binary has no KVM compiled in",
                "tcg",
                "refuse: the QEMU binary has no KVM compiled in",
            ],
        );
        check(
            "aarch64",
            both,
            Device::Opens,
            None,
            [
                "tcg",
                "tcg",
                "refuse: a `aarch64` host cannot run this architecture in KVM",
            ],
        );
    }
}
