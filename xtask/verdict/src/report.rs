//! Reports as text: pure functions of the events of a run. The terminal is `xtask`'s.

pub mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod kcidb;
pub mod labels;
pub mod markdown;
pub mod merge;
pub mod tap;

use crate::event::RunReport;

/// What a whole run can be written as, for a program or a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The Test Anything Protocol, version 14.
    Tap,
    /// The same in version 13, for readers that know no later one.
    Tap13,
    /// `JUnit` XML.
    Junit,
    /// All that is kept, as one JSON value.
    Json,
    /// JSON for `KernelCI`'s database.
    Kcidb,
    /// A page for a browser.
    Html,
    /// A short account in Markdown.
    Markdown,
    /// Workflow commands of GitHub Actions.
    Github,
}

/// A run that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the report")]
pub enum RenderError {
    /// As JSON.
    Json(#[from] serde_json::Error),
    /// As a page.
    Page(#[from] plan::template::TemplateError),
}

/// Writes a run; the text ends with a line end.
pub fn render(format: Format, run: &RunReport) -> Result<String, RenderError> {
    Ok(match format {
        Format::Tap => tap::render(run, tap::Version::V14),
        Format::Tap13 => tap::render(run, tap::Version::V13),
        Format::Junit => junit::render(run),
        Format::Json => json::document(run)?,
        Format::Kcidb => kcidb::render(run)?,
        Format::Html => html::render(run)?,
        Format::Markdown => markdown::render(run),
        Format::Github => github::annotations(run),
    })
}

#[cfg(test)]
#[path = "report/tests/samples.rs"]
pub(crate) mod samples;
