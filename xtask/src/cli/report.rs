//! The flags that say what a run writes about itself, and `cargo xtask report`, which writes it later.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use verdict::golden::bless::Blessing;
use verdict::report::Format;

/// What `cargo xtask test` writes in addition to what it prints.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReportFlags {
    /// Write a `JUnit` report: short for `--report junit=FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<Utf8PathBuf>,
    /// Write a report, such as `html=report.html`; may be given more than once
    #[arg(long, value_name = "FORMAT=FILE", value_parser = asked)]
    pub(crate) report: Vec<(ReportFormat, Utf8PathBuf)>,
    /// Write what tests print as their golden output; with FILTER also where there is none yet
    #[arg(long, conflicts_with_all = ["until_fail", "time"])]
    pub(crate) bless: bool,
}

impl ReportFlags {
    /// Whether golden output is written; `named` if tests were selected by name.
    pub(crate) fn blessing(&self, named: bool) -> Blessing {
        match (self.bless, named) {
            (false, _) => Blessing::No,
            (true, false) => Blessing::Existing,
            (true, true) => Blessing::Every,
        }
    }

    /// All reports that are asked for.
    pub(crate) fn all(&self) -> Vec<(ReportFormat, Utf8PathBuf)> {
        let junit = self.junit.iter();
        let junit = junit.map(|file| (ReportFormat::Junit, file.clone()));
        junit.chain(self.report.iter().cloned()).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The number of a run below `target/kiln/runs`, its folder, or `latest`
    #[arg(value_name = "RUN", default_value = "latest", conflicts_with = "merge")]
    pub(crate) run: String,
    /// How it is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: ReportFormat,
    /// Write to a file; with --merge, keep the joined run in this folder
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<Utf8PathBuf>,
    /// Join the parts of one run that lie in these folders, or below them
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub(crate) merge: Vec<Utf8PathBuf>,
    /// An architecture that must be among the parts; may be given more than once
    #[arg(long, value_name = "ARCH", requires = "merge")]
    pub(crate) arch: Vec<String>,
}

/// What a run is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportFormat {
    /// As `test` prints it
    #[default]
    Human,
    /// Test Anything Protocol 14
    Tap,
    /// The same in version 13, as `prove` reads it
    Tap13,
    /// `JUnit` XML
    Junit,
    /// One JSON value, as guest-tests/REPORTS.md describes it
    Json,
    /// A page for a browser, without anything next to it
    Html,
    /// A short account in Markdown
    Markdown,
    /// Annotations of GitHub Actions
    Github,
}

impl ReportFormat {
    /// The writer; `None` for what only a terminal shows.
    pub(crate) fn writer(self) -> Option<Format> {
        match self {
            Self::Human => None,
            Self::Tap => Some(Format::Tap),
            Self::Tap13 => Some(Format::Tap13),
            Self::Junit => Some(Format::Junit),
            Self::Json => Some(Format::Json),
            Self::Html => Some(Format::Html),
            Self::Markdown => Some(Format::Markdown),
            Self::Github => Some(Format::Github),
        }
    }
}

/// `FORMAT=FILE`.
fn asked(text: &str) -> Result<(ReportFormat, Utf8PathBuf), String> {
    let (format, file) = text
        .split_once('=')
        .filter(|(_, file)| !file.is_empty())
        .ok_or("a report is asked for as `FORMAT=FILE`")?;
    let format = ReportFormat::from_str(format, false).map_err(|_| {
        let all = ReportFormat::value_variants().iter();
        let names = all.filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned()));
        let names: Vec<String> = names.collect();
        format!("no such format; there are {}", names.join(", "))
    })?;
    Ok((format, file.into()))
}
