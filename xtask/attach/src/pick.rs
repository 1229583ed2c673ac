//! Selects the guest that a user means.

use std::fmt::Write as _;

use crate::protocol::GuestInfo;

/// Why no guest was selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// No guest runs.
    #[error("no guest is running in this checkout")]
    NoneRunning,
    /// The guest has ended.
    #[error("the guest {} has ended", line(.0))]
    Ended(GuestInfo),
    /// No guest has this name.
    #[error("no guest matches `{name}`; running:{}", list(.running))]
    Unknown {
        /// What the user asked for.
        name: String,
        /// The guests that run.
        running: Vec<GuestInfo>,
    },
    /// Several guests match.
    #[error("expected one guest, found {}:{}", .0.len(), list(.0))]
    Several(Vec<GuestInfo>),
}

impl PickError {
    /// The command that fixes it. `command` is the one that failed.
    #[must_use]
    pub fn hint(&self, command: &str) -> String {
        match self {
            Self::NoneRunning | Self::Ended(_) => {
                "start one: cargo xtask test --shell NAME, or cargo xtask boot".to_owned()
            }
            Self::Unknown { running, .. } | Self::Several(running) => {
                let guest = running.first().map_or_else(String::new, id);
                format!("cargo xtask {command} {guest}")
            }
        }
    }
}

/// The only running guest that matches: its id such as `12.3`, its run (`12`, `boot-4711` or `boot`), its
/// test, its name, or a part of the name of its test. The first of these that any guest matches counts.
pub fn pick<'a>(guests: &'a [GuestInfo], name: Option<&str>) -> Result<&'a GuestInfo, PickError> {
    let is_running = |guest: &&GuestInfo| !guest.ended;
    let Some(name) = name else {
        return only(guests.iter().filter(is_running).collect());
    };
    let tests: [fn(&GuestInfo, &str) -> bool; 5] = [
        |guest, name| id(guest) == name,
        |guest, name| guest.run == name || guest.run.split('-').next() == Some(name),
        |guest, name| guest.test == name,
        |guest, name| guest.name.as_deref() == Some(name),
        |guest, name| guest.test.contains(name),
    ];
    for test in tests {
        let matching = guests.iter().filter(|guest| test(guest, name));
        let (running, ended): (Vec<_>, Vec<_>) = matching.partition(is_running);
        match (running.is_empty(), ended.last()) {
            (false, _) => return only(running),
            (true, Some(ended)) => return Err(PickError::Ended((*ended).clone())),
            (true, None) => {}
        }
    }
    let running: Vec<_> = guests.iter().filter(is_running).cloned().collect();
    if running.is_empty() {
        return Err(PickError::NoneRunning);
    }
    Err(PickError::Unknown {
        name: name.to_owned(),
        running,
    })
}

fn only(matching: Vec<&GuestInfo>) -> Result<&GuestInfo, PickError> {
    match matching[..] {
        [guest] => Ok(guest),
        [] => Err(PickError::NoneRunning),
        _ => Err(PickError::Several(matching.into_iter().cloned().collect())),
    }
}

/// The shortest name of a guest that no other guest has.
#[must_use]
pub fn id(guest: &GuestInfo) -> String {
    format!("{}.{}", guest.run, guest.number)
}

/// A guest, on one line.
#[must_use]
pub fn line(guest: &GuestInfo) -> String {
    let name = guest.name.as_ref();
    let name = name.map_or_else(String::new, |name| format!(" ({name})"));
    format!("{} {} {}{name}", id(guest), guest.arch, guest.test)
}

fn list(guests: &[GuestInfo]) -> String {
    guests.iter().fold(String::new(), |mut text, guest| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}", line(guest));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(run: &str, number: usize, test: &str, name: Option<&str>, ended: bool) -> GuestInfo {
        GuestInfo {
            run: run.to_owned(),
            number,
            arch: "x".to_owned(),
            test: test.to_owned(),
            name: name.map(str::to_owned),
            ended,
        }
    }

    #[test]
    fn guest_is_picked_by_the_closest_name() {
        let guests = [
            guest("12", 1, "net::ping", None, true),
            guest("12", 2, "net::ping-flood", None, false),
            guest("12", 3, "migrate::tcp", Some("source"), false),
            guest("boot-7", 1, "q", None, false),
        ];
        let check = |name: Option<&str>, expect: &str| {
            let found = match pick(&guests, name) {
                Ok(guest) => id(guest),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expect, "{name:?}");
        };
        check(Some("12.3"), "12.3");
        check(Some("boot-7"), "boot-7.1");
        check(Some("boot"), "boot-7.1");
        check(Some("source"), "12.3");
        check(Some("flood"), "12.2");
        check(Some("net::ping"), "the guest 12.1 x net::ping has ended");
        check(
            Some("12"),
            "expected one guest, found 2:\n  12.2 x net::ping-flood\n  12.3 x migrate::tcp (source)",
        );
        check(
            Some("disk"),
            "no guest matches `disk`; running:\n  12.2 x net::ping-flood\n  \
             12.3 x migrate::tcp (source)\n  boot-7.1 x q",
        );
        check(
            None,
            "expected one guest, found 3:\n  12.2 x net::ping-flood\n  \
             12.3 x migrate::tcp (source)\n  boot-7.1 x q",
        );
    }

    #[test]
    fn only_running_guest_needs_no_name() {
        let guests = [
            guest("1", 1, "a", None, true),
            guest("1", 2, "a", None, false),
        ];
        assert_eq!(pick(&guests, None).map(id), Ok("1.2".to_owned()));
        assert_eq!(pick(&guests, Some("a")).map(id), Ok("1.2".to_owned()));
        assert_eq!(pick(&guests[..1], None), Err(PickError::NoneRunning));
        assert_eq!(pick(&[], Some("a")), Err(PickError::NoneRunning));
        let several = pick(&guests, Some("b")).unwrap_err();
        assert_eq!(several.hint("gdb"), "cargo xtask gdb 1.2");
    }
}
