//! The options for reports of `cargo xtask test`, and those of `cargo xtask report`.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use verdict::golden::bless::Blessing;
use verdict::report::Format;

use super::{EXECUTION, REPORTS, SELECTION};

/// What `cargo xtask test` writes in addition to what it prints.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = REPORTS)]
pub struct ReportFlags {
    #[arg(
        long,
        value_name = "FILE",
        help = "Write a JUnit report, as `--report junit=FILE` does"
    )]
    pub junit: Option<Utf8PathBuf>,
    /// Write a report, such as `html=report.html`; repeatable
    ///
    /// Formats: human, tap, tap13, junit, json, kcidb, html, markdown, github.
    #[arg(long, value_name = "FORMAT=FILE", value_parser = report_file)]
    pub report: Vec<(ReportFormat, Utf8PathBuf)>,
    /// Accept the output of tests as their golden output
    ///
    /// Without FILTER, only existing golden files are written.
    #[arg(long, help_heading = EXECUTION, conflicts_with_all = ["until_fail", "time"])]
    pub bless: bool,
}

impl ReportFlags {
    /// Whether golden output is written; `named` if tests were selected by name.
    #[must_use]
    pub fn blessing(&self, named: bool) -> Blessing {
        match (self.bless, named) {
            (false, _) => Blessing::No,
            (true, false) => Blessing::Existing,
            (true, true) => Blessing::Every,
        }
    }

    /// All requested reports.
    #[must_use]
    pub fn all(&self) -> Vec<(ReportFormat, Utf8PathBuf)> {
        let junit = self.junit.iter();
        let junit = junit.map(|file| (ReportFormat::Junit, file.clone()));
        junit.chain(self.report.iter().cloned()).collect()
    }
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Select a run: a number, a directory or `latest`
    ///
    /// Numbers are those below `target/kiln/runs`.
    #[arg(value_name = "RUN", default_value = "latest", conflicts_with = "merge")]
    pub run: String,
    /// Merge the runs in these directories or below
    ///
    /// Each must be a part of one run, for example from `test --partition` on several machines.
    #[arg(long, value_name = "DIR", num_args = 1.., help_heading = SELECTION)]
    pub merge: Vec<Utf8PathBuf>,
    /// Require this architecture in the merged run; repeatable
    #[arg(long, value_name = "ARCH", requires = "merge", help_heading = SELECTION)]
    pub arch: Vec<String>,
    /// Set the format
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = REPORTS)]
    pub format: ReportFormat,
    /// Write to this file instead of stdout
    ///
    /// With --merge, this is the directory of the merged run.
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub output: Option<Utf8PathBuf>,
}

/// What a run is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// Text, as `test` prints it
    #[default]
    Human,
    /// Test Anything Protocol 14
    Tap,
    /// Test Anything Protocol 13, which `prove` reads
    Tap13,
    #[value(help = "JUnit XML")]
    Junit,
    /// JSON, described in guest-tests/REPORTS.md
    Json,
    #[value(help = "JSON for KernelCI's database (kcidb)")]
    Kcidb,
    /// Web page in one file
    Html,
    /// Summary in Markdown
    Markdown,
    /// Annotations for GitHub Actions
    Github,
}

impl ReportFormat {
    /// The writer; `None` for what only a terminal shows.
    #[must_use]
    pub fn writer(self) -> Option<Format> {
        match self {
            Self::Human => None,
            Self::Tap => Some(Format::Tap),
            Self::Tap13 => Some(Format::Tap13),
            Self::Junit => Some(Format::Junit),
            Self::Json => Some(Format::Json),
            Self::Kcidb => Some(Format::Kcidb),
            Self::Html => Some(Format::Html),
            Self::Markdown => Some(Format::Markdown),
            Self::Github => Some(Format::Github),
        }
    }
}

/// `FORMAT=FILE`.
fn report_file(text: &str) -> Result<(ReportFormat, Utf8PathBuf), String> {
    let (format, file) = text
        .split_once('=')
        .filter(|(_, file)| !file.is_empty())
        .ok_or("expected `FORMAT=FILE`, such as `html=report.html`")?;
    let format = ReportFormat::from_str(format, false).map_err(|_| {
        let all = ReportFormat::value_variants().iter();
        let names = all.filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned()));
        let names: Vec<String> = names.collect();
        format!(
            "unknown format `{format}`, expected one of {}",
            names.join(", ")
        )
    })?;
    Ok((format, file.into()))
}
