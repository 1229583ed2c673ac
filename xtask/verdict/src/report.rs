//! Renders reports as text: pure functions of the events of a run. Terminal output is in `xtask`.

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

/// The report formats for programs and browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The Test Anything Protocol, version 14.
    Tap,
    /// TAP version 13, for older readers.
    Tap13,
    /// `JUnit` XML.
    Junit,
    /// The complete report as one JSON value.
    Json,
    /// JSON for `KernelCI`'s database.
    Kcidb,
    /// A page for a browser.
    Html,
    /// A short summary in Markdown.
    Markdown,
    /// Workflow commands of GitHub Actions.
    Github,
}

/// Why a report could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the report")]
pub enum RenderError {
    /// The JSON could not be written.
    Json(#[from] serde_json::Error),
    /// The page could not be written.
    Page(#[from] plan::template::TemplateError),
}

/// Renders a run. The text ends with a newline.
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
