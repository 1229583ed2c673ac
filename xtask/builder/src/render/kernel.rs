//! What `cargo xtask kernel` prints about a config, as text or as JSON.

use camino::Utf8Path;
use kernel::{Change, Config, Fragments, Request};
use serde_json::json;
use xtask::cli::MessageFormat;
use xtask::context::Context;
use xtask::output::{self, Color};

/// The number of changed options that are printed without `-v`.
const LIMIT: usize = 40;

/// A config, compared with an earlier one and with the requests.
#[derive(Debug)]
pub(crate) struct ConfigReport {
    /// The name of the earlier config.
    pub(crate) before: String,
    /// The options that differ from it.
    pub(crate) changes: Vec<Change>,
    /// The requests of Kiln's own kernel that it does not meet.
    unmet_own: Vec<Unmet>,
    /// The other requests that it does not meet.
    unmet: Vec<Unmet>,
}

/// A request that a config does not meet, and the value of its option.
#[derive(Debug)]
struct Unmet(Request, String);

impl ConfigReport {
    /// Compares a config. `is_own` is whether a request is one of Kiln's own kernel.
    pub(crate) fn new(
        (before, name): (&Config, String),
        config: &Config,
        fragments: &Fragments,
        is_own: impl Fn(&Request) -> bool,
    ) -> Self {
        let unmet = fragments.lost(config).into_iter();
        let unmet = unmet.map(|(request, value)| Unmet(request.clone(), value.to_owned()));
        let (unmet_own, unmet) = unmet.partition(|Unmet(request, _)| is_own(request));
        Self {
            before: name,
            changes: before.changes(config),
            unmet_own,
            unmet,
        }
    }

    /// Prints the changes, and warns about unmet requests.
    pub(crate) fn note(&self, context: &Context) {
        let (number, before) = (self.changes.len(), &self.before);
        context.note(format!("config: {number} options differ from {before}"));
        note_changes(context, &self.changes);
        let label = context.style.paint(Color::Yellow, "warning");
        for Unmet(request, value) in &self.unmet {
            let (option, wanted, origin) = (&request.option, &request.value, &request.origin);
            output::note(format!(
                "{label}: CONFIG_{option} is {value}, but {origin} requests {wanted}; `/` in \
                 menuconfig shows what it depends on"
            ));
        }
        if !self.unmet_own.is_empty() {
            let names = self.unmet_own.iter().map(|unmet| &*unmet.0.option);
            let names = names.collect::<Vec<_>>().join(", ");
            context.note(format!(
                "options of Kiln's own kernel that differ here: {names}"
            ));
        }
    }

    /// Prints the path that the command made, or all of it as JSON.
    pub(crate) fn result(&self, context: &Context, path: &Utf8Path) {
        if context.global.message_format == MessageFormat::Human {
            return output::result(path);
        }
        let changes = self.changes.iter();
        let changes = changes
            .map(|change| json!({ "option": change.option, "from": change.from, "to": change.to }));
        let unmet = self.unmet.iter().chain(&self.unmet_own);
        let unmet = unmet.map(|Unmet(request, value)| {
            json!({
                "option": request.option, "requested": request.value, "value": value,
                "origin": request.origin,
            })
        });
        let line = json!({
            "reason": "kernel", "path": path, "before": self.before,
            "changes": changes.collect::<Vec<_>>(), "unmet": unmet.collect::<Vec<_>>(),
        });
        output::result(line.to_string());
    }
}

/// Prints changed options, the first ones unless `-v` was given.
pub(crate) fn note_changes(context: &Context, changes: &[Change]) {
    let limit = match context.global.verbose {
        0 => LIMIT,
        _ => usize::MAX,
    };
    for change in changes.iter().take(limit) {
        context.note(format!("  {change}"));
    }
    let more = changes.len().saturating_sub(limit);
    if more > 0 {
        context.note(format!("  and {more} more, which -v prints"));
    }
}
