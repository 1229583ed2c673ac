//! Changes to single tests by `kiln.toml`: rules with a filter expression, and the changes that
//! apply to one test. The crate `settings` parses the file.

use std::time::Duration;

use crate::expression::{Expression, Subject};

/// Changes for the tests that an expression selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The selected tests.
    pub filter: Expression,
    /// The changes.
    pub changes: Changes,
}

/// Changes for a test. An absent value changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Replaces the time limit of its header, at factor 1.
    pub timeout: Option<Duration>,
    /// Replaces the run's number of retries.
    pub retries: Option<u32>,
    /// Replaces the reason in its header why a failure does not fail the run.
    pub unstable: Option<String>,
    /// Why it is skipped.
    pub skip: Option<String>,
}

impl Changes {
    /// The changes for a test: each value comes from the first override that selects the test and
    /// sets it.
    #[must_use]
    pub fn of(overrides: &[Override], subject: &Subject<'_>) -> Self {
        let mut changes = Self::default();
        for rule in overrides.iter().filter(|rule| rule.filter.admits(subject)) {
            let lower = &rule.changes;
            changes.timeout = changes.timeout.or(lower.timeout);
            changes.retries = changes.retries.or(lower.retries);
            changes.unstable = changes.unstable.or_else(|| lower.unstable.clone());
            changes.skip = changes.skip.or_else(|| lower.skip.clone());
        }
        changes
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, architecture and groups of a test, then minutes, retries, and whether it is skipped.
    type Row = (
        &'static str,
        &'static str,
        &'static [&'static str],
        (Option<u64>, Option<u32>, bool),
    );

    fn rule(filter: &str, changes: Changes) -> Override {
        Override {
            filter: Expression::parse(filter).unwrap(),
            changes,
        }
    }

    #[test]
    fn first_matching_override_wins_per_value() {
        let minutes = |count| Some(Duration::from_secs(60 * count));
        let overrides = [
            rule(
                "group(hotplug) and arch(x)",
                Changes {
                    timeout: minutes(2),
                    ..Changes::default()
                },
            ),
            rule(
                "group(hotplug)",
                Changes {
                    timeout: minutes(1),
                    retries: Some(3),
                    ..Changes::default()
                },
            ),
            rule(
                "test(=x::net::nic)",
                Changes {
                    skip: Some("no network".to_owned()),
                    unstable: Some("see https://example.org/1".to_owned()),
                    ..Changes::default()
                },
            ),
        ];
        let rows: [Row; 5] = [
            ("x::a::b", "x", &["hotplug"], (Some(2), Some(3), false)),
            ("y::a::b", "y", &["hotplug"], (Some(1), Some(3), false)),
            ("y::a::b", "y", &[], (None, None, false)),
            ("x::net::nic", "x", &[], (None, None, true)),
            ("y::net::nic", "y", &[], (None, None, false)),
        ];
        for (name, arch, groups, (timeout, retries, is_skipped)) in rows {
            let subject = Subject {
                name,
                arch,
                groups: groups.to_vec(),
                ..Subject::default()
            };
            let found = Changes::of(&overrides, &subject);
            assert_eq!(found.timeout, timeout.and_then(minutes), "{name}");
            assert_eq!(found.retries, retries, "{name}");
            assert_eq!(found.skip.is_some(), is_skipped, "{name}");
            assert_eq!(found.unstable.is_some(), is_skipped, "{name}");
            let is_empty = timeout.is_none() && retries.is_none() && !is_skipped;
            assert_eq!(found.is_empty(), is_empty, "{name}");
        }
    }
}
