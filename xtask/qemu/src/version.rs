//! QEMU version numbers in test headers and QMP.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A QEMU version; ordered.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number. From 50 it is a development version of the next minor one.
    pub micro: u32,
}

impl Version {
    /// Three numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, micro: u32) -> Self {
        Self {
            major,
            minor,
            micro,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// Why a version number is invalid.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid QEMU version `{text}`: expected one to three numbers, such as `8.0`")]
pub struct VersionError {
    text: String,
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError {
            text: text.to_owned(),
        };
        let mut numbers = [0_u32; 3];
        for (count, part) in text.split('.').enumerate() {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let slot = numbers
                .get_mut(count)
                .filter(|_| digits)
                .ok_or_else(wrong)?;
            *slot = part.parse().map_err(|_| wrong())?;
        }
        let [major, minor, micro] = numbers;
        Ok(Self {
            major,
            minor,
            micro,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_one_to_three_numbers() {
        let check = |text: &str, expect: Option<(u32, u32, u32)>| {
            let expect = expect.map(|(major, minor, micro)| Version::new(major, minor, micro));
            assert_eq!(text.parse::<Version>().ok(), expect, "{text}");
        };
        check("8", Some((8, 0, 0)));
        check("8.0", Some((8, 0, 0)));
        check("10.0.2", Some((10, 0, 2)));
        for text in [
            "",
            ".",
            "8.",
            ".8",
            "1.2.3.4",
            "8.x",
            "+8",
            "-1",
            " 8",
            "99999999999",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn versions_compare_by_number_not_by_text() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("10.0") > version("9.2.4"));
        assert!(version("9.2.50") < version("10.0"));
        assert!(version("7.2") == version("7.2.0"));
        assert_eq!(version("7.2").to_string(), "7.2.0");
    }
}
