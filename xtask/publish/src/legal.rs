//! The components of a plan's images with their licences and sources.

use camino::Utf8Path;
use plan::source::{Location, Source};
use plan::step::{BARE, Plan, Product, Step};
use serde::Serialize;

use crate::inputs::{IMAGE, sources};

/// A component of an image, or of the tools that built it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Recipe.
    pub what: String,
    /// Version of the component.
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// Whether its code is in the image. Otherwise it is a build tool.
    pub contained: bool,
    /// Whether only its runtime code, which a compiler adds to every program, is in the image.
    pub runtime: bool,
    /// The source archive, or the file in the repository.
    pub source: String,
    /// Patches, by path in the repository.
    pub patches: Vec<String>,
    /// Where the source is available: URLs, or paths in any mirror of Debian.
    pub places: Vec<String>,
}

/// The rows, image components first.
#[must_use]
pub fn rows(plan: &Plan) -> Vec<Row> {
    let mut rows: Vec<Row> = sources(plan)
        .into_values()
        .map(|(step, source)| row(plan, step, source))
        .collect();
    // Another part of the same source may have another licence.
    for step in plan
        .steps
        .iter()
        .filter(|step| step.product == Product::Image)
    {
        for source in &step.sources {
            let known = |row: &Row| row.source == source.pin.file && row.license == step.license;
            if !rows.iter().any(known) {
                rows.push(row(plan, step, source));
            }
        }
    }
    // Components that are made only from files of the repository.
    for step in plan.steps.iter().filter(|step| is_own(step)) {
        for file in step.files.keys() {
            let row = Row {
                what: step.recipe.clone(),
                version: step.version.clone(),
                license: step.license.clone(),
                contained: true,
                runtime: false,
                source: file.clone(),
                patches: Vec::new(),
                places: vec!["the repository".to_owned()],
            };
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    rows.sort_by(|a, b| {
        (!a.contained, &a.what, &a.source).cmp(&(!b.contained, &b.what, &b.source))
    });
    rows
}

/// A step that compiles our own source for an image. Bare-metal guests are not in a release.
fn is_own(step: &Step) -> bool {
    step.product == Product::Image
        && step.recipe != BARE
        && step.sources.is_empty()
        && step.files.keys().any(|file| is_c(file))
}

fn is_c(file: &str) -> bool {
    Utf8Path::new(file).extension() == Some("c")
}

fn row(plan: &Plan, step: &Step, source: &Source) -> Row {
    let place = |location: &Location| match location {
        Location::Url(url) => url.clone(),
        Location::Debian(path) => path.clone(),
        Location::DebianSnapshot(_) => location.to_string(),
    };
    Row {
        what: step.recipe.clone(),
        version: step.version.clone(),
        license: step.license.clone(),
        contained: is_contained(plan, step),
        runtime: is_contained(plan, step) && step.product != Product::Image,
        source: source.pin.file.clone(),
        patches: source
            .patches
            .iter()
            .map(|patch| patch.path.to_string())
            .collect(),
        places: source.pin.locations.iter().map(place).collect(),
    }
}

/// Whether code of a step's sources is in the images: it is built into them, or the image lists its
/// licence, as for the compiler's runtime library.
pub(crate) fn is_contained(plan: &Plan, step: &Step) -> bool {
    if step.product == Product::Image {
        return true;
    }
    let mut images = plan.steps.iter().filter(|step| step.recipe == IMAGE);
    images.any(|image| {
        image
            .license
            .split(" AND ")
            .any(|term| term == step.license)
    })
}
