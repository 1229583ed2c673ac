//! The identity of the host's compilers, which is part of the names of toolchains that they
//! compiled.
//!
//! A toolchain's build key does not contain the host, because images are the same from any host.
//! The toolchain's own binaries are not, so its entry in the store also carries this identity.

use std::fmt;
use std::time::Duration;

use plan::digest::Digest;

use crate::process::{Command, ProcessError};

/// Time limit for a compiler to print its version.
const LIMIT: Duration = Duration::from_secs(30);

/// SHA-256 over the versions that the host's compilers, C library and processor report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(Digest);

impl HostId {
    /// The first 12 hexadecimal digits, as in the names of store entries.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }

    /// The identity of a host with these facts.
    fn of(facts: &[(&str, String)]) -> Self {
        let mut bytes = b"kiln host 1\n".to_vec();
        for (name, value) in facts {
            bytes.extend(format!("{name} {}\n{value}\n", value.len()).into_bytes());
        }
        Self(Digest::of(&bytes))
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Asks the host's compilers for their versions. Fails without `cc` or `c++`.
pub fn identity() -> Result<HostId, ProcessError> {
    identity_within(&[])
}

/// Asks the compilers for their versions through a command prefix, such as one that enters another
/// root.
pub fn identity_within(prefix: &[String]) -> Result<HostId, ProcessError> {
    let command = |program: &str, argument: &str| {
        let words = [program.to_owned(), argument.to_owned()];
        let argv: Vec<String> = prefix.iter().cloned().chain(words).collect();
        Command::from_argv(&argv).env("LC_ALL", "C")
    };
    let ask = |program: &str, argument: &str| command(program, argument).read(LIMIT);
    // musl's `ldd` prints its version on stderr and fails. The compiler's output is enough then.
    let libc = command("ldd", "--version").output(LIMIT);
    let libc = libc.map(|output| output.stdout_text() + &output.stderr_text());
    let libc = match libc {
        Ok(text) => text.lines().next().unwrap_or_default().to_owned(),
        Err(ProcessError::NotFound { .. }) => String::new(),
        Err(error) => return Err(error),
    };
    let machine = rustix::system::uname()
        .machine()
        .to_string_lossy()
        .into_owned();
    Ok(HostId::of(&[
        ("cc", ask("cc", "--version")?),
        ("c++", ask("c++", "--version")?),
        ("libc", libc),
        ("machine", machine),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_changes_the_identity() {
        let id =
            |cc: &str, libc: &str| HostId::of(&[("cc", cc.to_owned()), ("libc", libc.to_owned())]);
        assert_eq!(id("12", "2.36"), id("12", "2.36"));
        let others = [
            id("13", "2.36"),
            id("12", "2.41"),
            id("12\nlibc 4\n2.36", ""),
            id("", "12"),
        ];
        for other in others {
            assert_ne!(id("12", "2.36"), other);
        }
        assert_eq!(id("12", "2.36").short().len(), 12);
    }
}
