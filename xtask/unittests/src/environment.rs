//! The variables in the initrd of a test, as `initrd_create` of `scripts/arch-run.bash` writes
//! them.

use std::fmt::Write as _;

/// The facts behind the variables.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// `tcg` or `kvm`.
    pub accel: &'a str,
    /// `TARGET` of `config.mak`.
    pub target: &'a str,
    /// The version of QEMU: the text after `QEMU emulator version` in its `--version`.
    pub qemu: &'a str,
    /// The release of the host's kernel, such as `6.12.0-1-amd64`.
    pub kernel: &'a str,
    /// `errata.txt`.
    pub errata: Option<&'a str>,
}

/// The file, with one `NAME=value` per line.
pub fn file(facts: Facts<'_>) -> Result<String, String> {
    let mut qemu = facts.qemu.split([' ', '.']);
    let mut qemu = || qemu.next().unwrap_or_default();
    let kernel = Kernel::parse(facts.kernel);
    let text = |part: Option<u32>| part.map(|part| part.to_string()).unwrap_or_default();
    let mut file = String::new();
    for (name, value) in [
        ("TARGET", facts.target.to_owned()),
        ("QEMU_ACCEL", facts.accel.to_owned()),
        (
            "QEMU_VERSION_STRING",
            format!("QEMU emulator version {}", facts.qemu),
        ),
        ("QEMU_MAJOR", qemu().to_owned()),
        ("QEMU_MINOR", qemu().to_owned()),
        ("QEMU_MICRO", qemu().to_owned()),
        ("KERNEL_VERSION_STRING", facts.kernel.to_owned()),
        ("KERNEL_VERSION", text(kernel.version)),
        ("KERNEL_PATCHLEVEL", text(kernel.patchlevel)),
        ("KERNEL_SUBLEVEL", text(kernel.sublevel)),
        ("KERNEL_EXTRAVERSION", text(kernel.extraversion)),
    ] {
        let _ = writeln!(file, "{name}={value}");
    }
    if facts.accel == "tcg" {
        file.push_str("ERRATA_FORCE=y\n");
        return Ok(file);
    }
    for line in facts.errata.unwrap_or_default().lines() {
        let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut parts = line.split(':');
        let (commit, minimum) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let minimum = Kernel::parse(minimum);
        if minimum.version.is_none() || minimum.patchlevel.is_none() {
            return Err(format!(
                "errata.txt: bad minimum kernel version in `{line}`"
            ));
        }
        let has = if kernel.has(&minimum) { "y" } else { "n" };
        let _ = writeln!(file, "ERRATA_{commit}={has}");
    }
    Ok(file)
}

/// The numbers of a kernel release. Non-numeric parts are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kernel {
    version: Option<u32>,
    patchlevel: Option<u32>,
    sublevel: Option<u32>,
    extraversion: Option<u32>,
}

impl Kernel {
    fn parse(release: &str) -> Self {
        let number = |text: &str| {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            text[..end].parse().ok()
        };
        let mut parts = release.splitn(3, '.');
        let mut part = || parts.next().unwrap_or_default();
        let (version, patchlevel, rest) = (part(), part(), part());
        let (sublevel, extraversion) = rest.split_once('-').unwrap_or((rest, ""));
        Self {
            version: version.parse().ok(),
            patchlevel: number(patchlevel),
            sublevel: number(sublevel),
            extraversion: number(extraversion),
        }
    }

    /// Whether it is at least as new. An absent part decides only if the other one is above 0.
    fn has(&self, minimum: &Self) -> bool {
        let ours = (self.version, self.patchlevel);
        let theirs = (minimum.version, minimum.patchlevel);
        if ours != theirs {
            return ours > theirs;
        }
        match (self.sublevel, minimum.sublevel) {
            (Some(ours), Some(theirs)) if ours != theirs => return ours > theirs,
            (Some(_), Some(_)) => {}
            (None, Some(theirs)) => return theirs == 0,
            (_, None) => return true,
        }
        match (self.extraversion, minimum.extraversion) {
            (Some(ours), Some(theirs)) => ours >= theirs,
            (None, Some(theirs)) => theirs == 0,
            (_, None) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(accel: &'static str) -> Facts<'static> {
        Facts {
            accel,
            target: "",
            qemu: "10.0.2 (Debian 1:10.0.2+ds-2)",
            kernel: "5.6.3-rc2+",
            errata: Some(
                "#--\n9e3f7a296940    : 4.9                           : summary\n\nabc:5.7:x\n",
            ),
        }
    }

    #[test]
    fn tcg_forces_errata() {
        let expect = "TARGET=\nQEMU_ACCEL=tcg\n\
                      QEMU_VERSION_STRING=QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n\
                      QEMU_MAJOR=10\nQEMU_MINOR=0\nQEMU_MICRO=2\nKERNEL_VERSION_STRING=5.6.3-rc2+\n\
                      KERNEL_VERSION=5\nKERNEL_PATCHLEVEL=6\nKERNEL_SUBLEVEL=3\n\
                      KERNEL_EXTRAVERSION=\nERRATA_FORCE=y\n";
        assert_eq!(file(facts("tcg")).as_deref(), Ok(expect));
    }

    #[test]
    fn kvm_gets_errata_by_kernel_version() {
        let text = file(facts("kvm")).unwrap();
        assert!(
            text.ends_with("ERRATA_9e3f7a296940=y\nERRATA_abc=n\n"),
            "{text}"
        );
        let bad = Facts {
            errata: Some("abc : next : x"),
            ..facts("kvm")
        };
        let expect = "errata.txt: bad minimum kernel version in `abc:next:x`";
        assert_eq!(file(bad), Err(expect.to_owned()));
    }

    #[test]
    fn kernels_are_compared_part_by_part() {
        let check = |ours: &str, minimum: &str, expect| {
            assert_eq!(
                Kernel::parse(ours).has(&Kernel::parse(minimum)),
                expect,
                "{ours} {minimum}"
            );
        };
        check("6.12.74", "4.9", true);
        check("4.8.1", "4.9", false);
        check("4.9", "4.9", true);
        check("4.9.3", "4.9.4", false);
        check("4.9.5-1", "4.9.4-7", true);
        check("4.9.4-7", "4.9.4-8", false);
        check("4.9.4", "4.9.4-8", false);
        check("4.9", "4.9.1", false);
    }
}
