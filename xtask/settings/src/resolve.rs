//! Combines all settings. Flags override the environment, the environment overrides the profile,
//! and the profile overrides the defaults. The checkout's file overrides the user's.

use plan::diagnostic::Diagnostic;
use plan::suggest;
use suite::expression::Subject;
use suite::overrides::Override;

use crate::file::{File, Rule, Table};
use crate::layer::{Layer, Origin};

/// All settings files, and the selected profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The checkout's file.
    pub checkout: File,
    /// The user's file.
    pub user: File,
    /// The value of `--profile`.
    profile: Option<String>,
}

/// A profile that no file defines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile `{name}`: {}", found(.known))]
pub struct ProfileError {
    /// The requested name.
    pub name: String,
    /// The profiles that exist.
    pub known: Vec<String>,
}

fn found(known: &[String]) -> String {
    if known.is_empty() {
        return "`kiln.toml` defines no profile".to_owned();
    }
    let names = suggest::list(known.iter().map(String::as_str));
    format!("the profiles in `kiln.toml` are {names}")
}

impl ProfileError {
    /// The command that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let known = self.known.iter().map(String::as_str);
        let near = suggest::closest(&self.name, known).or(self.known.first().map(String::as_str));
        Some(match near {
            Some(name) => format!("--profile {name}"),
            None => format!("add `[profile.{}]` to `kiln.toml`", self.name),
        })
    }
}

/// The effective values.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The selected profile.
    pub profile: Option<String>,
    /// The values. An absent one means Kiln's own default.
    pub values: Layer,
    /// All overrides that may apply, the most important one first.
    pub rules: Vec<Rule>,
}

impl Settings {
    /// Joins the files and selects a profile.
    pub fn new(checkout: File, user: File, profile: Option<&str>) -> Result<Self, ProfileError> {
        let settings = Self {
            checkout,
            user,
            profile: None,
        };
        match profile {
            Some(name) => settings.with_profile(name),
            None => Ok(settings),
        }
    }

    /// The same files with another profile.
    pub fn with_profile(&self, name: &str) -> Result<Self, ProfileError> {
        let known = || self.files().flat_map(|file| file.profiles.keys());
        if !known().any(|profile| profile == name) {
            let mut known: Vec<String> = known().cloned().collect();
            known.sort();
            known.dedup();
            let name = name.to_owned();
            return Err(ProfileError { name, known });
        }
        Ok(Self {
            profile: Some(name.to_owned()),
            ..self.clone()
        })
    }

    /// The selected profile.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// The effective values under these flags and this environment.
    #[must_use]
    pub fn resolve(&self, flags: Layer, environment: Layer) -> Resolved {
        let mut values = flags.or(environment);
        let mut rules = Vec::new();
        for table in self.tables() {
            values = values.or(table.layer.clone());
            rules.extend(table.rules.iter().cloned());
        }
        Resolved {
            profile: self.profile.clone(),
            values,
            rules,
        }
    }

    /// The unknown architectures in the files.
    #[must_use]
    pub fn unknown_arches(&self, known: &[&str]) -> Vec<Diagnostic> {
        let files = self.files();
        files.flat_map(|file| file.unknown_arches(known)).collect()
    }

    /// The names in the checkout's overrides that match no test. The user's file serves several
    /// checkouts with different tests, so it is not checked.
    #[must_use]
    pub fn unknown_names(&self, subjects: &[Subject<'_>]) -> Vec<Diagnostic> {
        self.checkout.unknown_names(subjects)
    }

    fn files(&self) -> impl Iterator<Item = &File> {
        [&self.checkout, &self.user].into_iter()
    }

    /// The selected tables, the most important one first.
    fn tables(&self) -> impl Iterator<Item = &Table> {
        let profile = self.profile.as_ref();
        let of_profile =
            profile.map(|name| self.files().filter_map(|file| file.profiles.get(name)));
        let defaults = self.files().map(|file| &file.defaults);
        of_profile.into_iter().flatten().chain(defaults)
    }
}

impl Resolved {
    /// The overrides for a run. `--retries` on the command line applies to every test.
    #[must_use]
    pub fn overrides(&self) -> Vec<Override> {
        let retries = self.values.retries.as_ref();
        let by_flag = retries.is_some_and(|retries| matches!(retries.origin, Origin::Flag(_)));
        let rules = self.rules.iter().map(|rule| {
            let location = &rule.location;
            let mut rule = rule.effect.clone();
            let skip = rule.changes.skip.take();
            rule.changes.skip = skip.map(|reason| format!("{reason} ({location})"));
            if by_flag {
                rule.changes.retries = None;
            }
            rule
        });
        rules.collect()
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
