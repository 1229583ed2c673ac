//! Parses one settings file into layers and overrides. Every error is a [`Diagnostic`] at its line.

use std::collections::BTreeMap;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use plan::arch::MachineProfile;
use plan::diagnostic::{Diagnostic, Page};
use plan::{document, suggest};
use serde::Deserialize;
use suite::expression::{Expression, Subject};
use suite::overrides::{Changes, Override};
use toml::Spanned;

use crate::layer::{Layer, Location, Origin, Setting};

/// The names of report formats, which are the keys of `reports`.
pub const FORMATS: [&str; 9] = [
    "human", "tap", "tap13", "junit", "json", "kcidb", "html", "markdown", "github",
];

/// The base of relative paths and of `~` in a file.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The root of the checkout.
    pub root: &'a Utf8Path,
    /// The user's home directory.
    pub home: Option<&'a Utf8Path>,
}

/// A parsed settings file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    path: Utf8PathBuf,
    text: String,
    /// The values outside profiles.
    pub(crate) defaults: Table,
    /// Profiles by name.
    pub(crate) profiles: BTreeMap<String, Table>,
}

/// The values of a profile or of the top level.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) layer: Layer,
    pub(crate) rules: Vec<Rule>,
    /// Each architecture with its location in the text.
    arches: Vec<Spanned<String>>,
}

/// An `[[override]]` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The change, and the tests that it applies to.
    pub effect: Override,
    /// The expression as written in the file.
    pub filter: String,
    /// The location of the expression.
    pub location: Location,
    span: Range<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawTable {
    arch: Option<Spanned<Vec<Spanned<String>>>>,
    qemu: Option<Spanned<String>>,
    machines: Option<Spanned<MachineProfile>>,
    jobs: Option<Spanned<i64>>,
    retries: Option<Spanned<i64>>,
    timeout_factor: Option<Spanned<f64>>,
    seed: Option<Spanned<i64>>,
    reports: Option<Spanned<BTreeMap<Spanned<String>, Spanned<String>>>>,
    #[serde(default)]
    r#override: Vec<Spanned<RawOverride>>,
    #[serde(default)]
    profile: BTreeMap<Spanned<String>, RawTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOverride {
    filter: Spanned<String>,
    timeout: Option<Spanned<String>>,
    retries: Option<Spanned<i64>>,
    unstable: Option<Spanned<String>>,
    skip: Option<Spanned<String>>,
}

impl File {
    /// Parses a file. `path` is the file's name in messages.
    pub fn read(path: &Utf8Path, text: &str, base: Base<'_>) -> Result<Self, Vec<Diagnostic>> {
        let mut found = Vec::new();
        let page = Page { path, text };
        let raw = document::read::<RawTable>(page, &mut found);
        for fault in &mut found {
            fault.title = plain(&fault.title);
        }
        let Some(mut raw) = raw else {
            return Err(found);
        };
        let is_complete = found.is_empty();
        let profiles = std::mem::take(&mut raw.profile);
        let mut reader = Reader {
            page,
            base,
            profile: None,
            is_complete,
            found,
        };
        let defaults = reader.table(raw);
        let mut named = BTreeMap::new();
        for (name, raw) in profiles {
            reader.profile = Some(name.get_ref().clone());
            let table = reader.table(raw);
            named.insert(name.into_inner(), table);
        }
        if !reader.found.is_empty() {
            reader.found.sort_by_key(|fault| fault.span.start);
            return Err(reader.found);
        }
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            defaults,
            profiles: named,
        })
    }

    /// The unknown architectures in it.
    #[must_use]
    pub fn unknown_arches(&self, known: &[&str]) -> Vec<Diagnostic> {
        let page = self.page();
        let tables = std::iter::once(&self.defaults).chain(self.profiles.values());
        let arches = tables.flat_map(|table| &table.arches);
        let unknown = arches.filter(|arch| !known.contains(&arch.get_ref().as_str()));
        let fault = |arch: &Spanned<String>| {
            let name = arch.get_ref();
            let help = suggest::help(name, "architectures", known.iter().copied());
            let label = format!("`images/{name}.toml` does not exist");
            page.at(arch.span(), format!("unknown architecture `{name}`"), label)
                .with_help(help)
        };
        unknown.map(fault).collect()
    }

    /// The names in the expressions of overrides that match no test.
    #[must_use]
    pub fn unknown_names(&self, subjects: &[Subject<'_>]) -> Vec<Diagnostic> {
        let tables = std::iter::once(&self.defaults).chain(self.profiles.values());
        let rules = tables.flat_map(|table| &table.rules);
        rules
            .flat_map(|rule| {
                let unknown = rule.effect.filter.unknown(subjects).into_iter();
                unknown.map(|fault| relocate(self.page(), &rule.filter, &rule.span, fault))
            })
            .collect()
    }

    fn page(&self) -> Page<'_> {
        Page {
            path: &self.path,
            text: &self.text,
        }
    }
}

/// Replaces the name of a Rust type in a message of the TOML parser by a user's term.
fn plain(title: &str) -> String {
    title
        .replace("expected i64", "expected a whole number")
        .replace("expected f64", "expected a number")
}

/// Moves a diagnostic about an expression to the location of the expression in the file. A string
/// with escapes is marked as a whole.
fn relocate(page: Page<'_>, text: &str, span: &Range<usize>, fault: Diagnostic) -> Diagnostic {
    let source = page.text.get(span.clone()).unwrap_or_default();
    let inner = source.find(text).filter(|_| !text.is_empty());
    let span = inner.map_or(span.clone(), |offset| {
        let start = span.start + offset;
        start + fault.span.start..start + fault.span.end
    });
    let moved = page.at(span, fault.title, fault.label);
    Diagnostic {
        help: fault.help,
        ..moved
    }
}

/// Checks values and collects errors.
struct Reader<'a> {
    page: Page<'a>,
    base: Base<'a>,
    profile: Option<String>,
    /// False once a misspelt key was left out.
    is_complete: bool,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn table(&mut self, raw: RawTable) -> Table {
        if let Some(name) = raw.profile.keys().next() {
            let title = "a profile cannot contain profiles";
            let fault = self.page.at(name.span(), title, "profile inside a profile");
            let help = format!("move it to `[profile.{}]`", name.get_ref());
            self.found.push(fault.with_help(help));
        }
        let arches = raw.arch.as_ref().map(|arches| arches.get_ref().clone());
        let arch = raw.arch.and_then(|arches| self.arch(arches));
        let qemu = raw.qemu.and_then(|qemu| {
            let path = self.path(&qemu)?;
            Some(self.setting(&qemu.span(), path))
        });
        let machines = raw.machines.map(|profile| {
            let span = profile.span();
            self.setting(&span, profile.into_inner())
        });
        let jobs = self.number(raw.jobs, "jobs", 1, i64::from(u16::MAX));
        let retries = self.number(raw.retries, "retries", 0, i64::from(u32::MAX));
        let seed = self.number(raw.seed, "seed", 0, i64::MAX);
        Table {
            layer: Layer {
                arch,
                qemu,
                machines,
                jobs,
                retries,
                timeout_factor: raw.timeout_factor.and_then(|value| self.factor(&value)),
                seed,
                reports: raw.reports.map(|reports| self.reports(reports)),
            },
            rules: raw
                .r#override
                .into_iter()
                .filter_map(|raw| self.rule(raw))
                .collect(),
            arches: arches.unwrap_or_default(),
        }
    }

    fn arch(&mut self, arches: Spanned<Vec<Spanned<String>>>) -> Option<Setting<Vec<String>>> {
        let span = arches.span();
        let names: Vec<String> = arches
            .into_inner()
            .into_iter()
            .map(Spanned::into_inner)
            .collect();
        if names.is_empty() {
            let fault = self.page.at(
                span,
                "`arch` has no architecture",
                "expected at least one name",
            );
            self.found
                .push(fault.with_help("remove the key to use all prebuilt architectures"));
            return None;
        }
        Some(self.setting(&span, names))
    }

    fn path(&mut self, text: &Spanned<String>) -> Option<Utf8PathBuf> {
        let path = text.get_ref();
        let below_home = path.strip_prefix("~/").or((path == "~").then_some(""));
        match (below_home, self.base.home) {
            _ if path.is_empty() => {
                let fault = self
                    .page
                    .at(text.span(), "the path is empty", "expected a path");
                self.found.push(fault);
                None
            }
            (Some(rest), Some(home)) => Some(home.join(rest)),
            (Some(_), None) => {
                let fault = self.page.at(
                    text.span(),
                    "`~` cannot be resolved: `HOME` is not set",
                    "expected a path without `~`",
                );
                self.found.push(fault);
                None
            }
            (None, _) => Some(self.base.root.join(path)),
        }
    }

    fn number<T: TryFrom<i64>>(
        &mut self,
        value: Option<Spanned<i64>>,
        key: &str,
        least: i64,
        most: i64,
    ) -> Option<Setting<T>> {
        let value = value?;
        let number = *value.get_ref();
        let inside = (least..=most).contains(&number);
        match T::try_from(number) {
            Ok(number) if inside => Some(self.setting(&value.span(), number)),
            _ => {
                let title = format!("`{key}` is {number}");
                let label = format!("expected a number from {least} to {most}");
                self.found.push(self.page.at(value.span(), title, label));
                None
            }
        }
    }

    fn factor(&mut self, value: &Spanned<f64>) -> Option<Setting<f64>> {
        let factor = *value.get_ref();
        if factor.is_finite() && factor > 0.0 {
            return Some(self.setting(&value.span(), factor));
        }
        let title = format!("`timeout-factor` is {factor}");
        let fault = self
            .page
            .at(value.span(), title, "expected a number above 0");
        self.found.push(fault);
        None
    }

    fn reports(
        &mut self,
        reports: Spanned<BTreeMap<Spanned<String>, Spanned<String>>>,
    ) -> Setting<BTreeMap<String, Utf8PathBuf>> {
        let mut files = BTreeMap::new();
        // The span of a table with its own header is that of its first key.
        let keys = reports.get_ref().keys().map(|key| key.span().start);
        let start = keys.min().unwrap_or(reports.span().start);
        for (format, file) in reports.into_inner() {
            let name = format.get_ref();
            if !FORMATS.contains(&name.as_str()) {
                let title = format!("unknown report format `{name}`");
                let help = suggest::help(name, "formats", FORMATS);
                let fault = self
                    .page
                    .at(format.span(), title, "expected the name of a format");
                self.found.push(fault.with_help(help));
            } else if let Some(path) = self.path(&file) {
                files.insert(name.clone(), path);
            }
        }
        self.setting(&(start..start), files)
    }

    fn rule(&mut self, raw: Spanned<RawOverride>) -> Option<Rule> {
        let before = self.found.len();
        let whole = raw.span();
        let raw = raw.into_inner();
        let span = raw.filter.span();
        let text = raw.filter.into_inner();
        let filter = Expression::parse(&text);
        let timeout = raw.timeout.and_then(|text| self.timeout(&text));
        let retries = self.number(raw.retries, "retries", 0, i64::from(u32::MAX));
        let unstable = raw.unstable.and_then(|text| self.unstable(&text));
        let skip = raw.skip.and_then(|text| self.reason(&text));
        let changes = Changes {
            timeout,
            retries: retries.map(|retries| retries.value),
            unstable,
            skip,
        };
        if self.is_complete && changes.is_empty() && self.found.len() == before {
            let start = whole.start;
            let line = self.page.text.get(start..).unwrap_or_default();
            let end = start + line.find('\n').unwrap_or(line.len());
            let fault = self.page.at(
                start..end,
                "this override changes nothing",
                "expected a change",
            );
            let help = "keys that change something: `timeout`, `retries`, `unstable`, `skip`";
            self.found.push(fault.with_help(help));
        }
        match filter {
            Ok(filter) if self.found.len() == before => Some(Rule {
                effect: Override { filter, changes },
                filter: text,
                location: self.location(&span),
                span,
            }),
            Ok(_) => None,
            Err(fault) => {
                let fault = relocate(self.page, &text, &span, *fault);
                self.found.push(fault);
                None
            }
        }
    }

    fn timeout(&mut self, text: &Spanned<String>) -> Option<std::time::Duration> {
        let time = plan::duration::parse(text.get_ref());
        match time {
            Ok(time) if !time.is_zero() => Some(time),
            _ => {
                let title = format!("invalid timeout `{}`", text.get_ref());
                let label = "expected a time above 0 such as `30s` or `2m`";
                self.found.push(self.page.at(text.span(), title, label));
                None
            }
        }
    }

    /// A reason for an unstable test must contain a link to a bug report, as in a header.
    fn unstable(&mut self, text: &Spanned<String>) -> Option<String> {
        if text.get_ref().contains("://") {
            return Some(text.get_ref().clone());
        }
        let title = format!("the reason `{}` has no link", text.get_ref());
        let label = "expected a reason with the URL of a bug report";
        self.found.push(self.page.at(text.span(), title, label));
        None
    }

    fn reason(&mut self, text: &Spanned<String>) -> Option<String> {
        if !text.get_ref().trim().is_empty() {
            return Some(text.get_ref().clone());
        }
        let fault = self
            .page
            .at(text.span(), "`skip` is empty", "expected a reason");
        self.found.push(fault);
        None
    }

    fn setting<T>(&self, span: &Range<usize>, value: T) -> Setting<T> {
        let origin = Origin::File(self.location(span));
        Setting { value, origin }
    }

    fn location(&self, span: &Range<usize>) -> Location {
        let (line, _) = self.page.at(span.clone(), "", "").line_column();
        Location {
            path: self.page.path.to_owned(),
            line,
            profile: self.profile.clone(),
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
