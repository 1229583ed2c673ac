//! A release as plain data: every file with its content, in the order of publication.

use std::collections::{BTreeMap, BTreeSet};

use plan::digest::Digest;
use plan::lock::LockedFile;
use plan::step::{BARE, Plan};

use crate::assets::Assets;
use crate::draft::Draft;
use crate::index::{Descriptor, IMAGE_TYPE, Index, OciManifest, PROGRAMS_TYPE, SOURCE_TYPE};
use crate::inputs::{IMAGE, OWN_LICENCE};
use crate::{document, manifest, provenance, sbom};

pub use crate::draft::{Content, Phase, PublishedFile, blob_path};
pub use crate::inputs::{Blob, Inputs, name, sources};

/// The file with the checksums of a release.
pub const SUMS: &str = "SHA256SUMS";

/// The prefix of the bare-metal programs in the directory of their architecture.
pub const PROGRAMS: &str = "bare/";

/// The index entries of one release.
pub(crate) const PART: &str = "oci-index.json";
/// All files of a release in the order of publication, and its index entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `kiln-<version>`.
    pub name: String,
    /// The files.
    pub files: Vec<PublishedFile>,
    /// Entries of the index, the source first.
    pub descriptors: Vec<Descriptor>,
}

/// Why a release is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The recipes do not match the lock.
    #[error("`images/images.lock` lacks the {what} of {arch}")]
    NotLocked {
        /// The products.
        what: &'static str,
        /// Architecture.
        arch: String,
    },
    /// An image does not match the lock.
    #[error("`{name}` of {arch} does not match `images/images.lock`")]
    Differs {
        /// Architecture.
        arch: String,
        /// File.
        name: String,
    },
    /// A source is missing.
    #[error("missing source `{0}`")]
    NoSource(String),
    /// The text of a licence is missing.
    #[error("missing text of licence `{id}` of `{recipe}`")]
    NoLicence {
        /// SPDX identifier.
        id: String,
        /// A recipe that names it.
        recipe: String,
    },
    /// A crate in the bundle declares no SPDX licence.
    #[error("crate `{0}` has no SPDX licence expression")]
    Unlicensed(String),
}

impl Refusal {
    /// The command that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotLocked { arch, .. } => {
                format!("cargo xtask images --from-source --arch {arch}")
            }
            Self::Differs { arch, .. } => {
                format!("cargo xtask images --from-source --verify --arch {arch}")
            }
            Self::NoSource(_) => "cargo xtask fetch --sources".to_owned(),
            Self::NoLicence { id, .. } => format!("put the text into LICENSES/{id}.txt"),
            Self::Unlicensed(_) => {
                "remove the crate, or use a version that declares its licence".to_owned()
            }
        })
    }
}

/// The licences of a plan's recipes, each with a recipe, and the licence of the repository.
#[must_use]
pub fn licences(plan: &Plan) -> BTreeMap<String, String> {
    let mut found = BTreeMap::from([(OWN_LICENCE.to_owned(), "kiln".to_owned())]);
    for step in &plan.steps {
        for id in plan::spdx::identifiers(&step.license).unwrap_or_default() {
            let recipe = || step.recipe.clone();
            found.entry(id).or_insert_with(recipe);
        }
    }
    found
}

/// All reasons to refuse a release: images that do not match the lock, and missing sources and
/// licences. Call it before the bundle is made.
#[must_use]
pub fn refusals(inputs: &Inputs<'_>) -> Vec<Refusal> {
    let mut found = Vec::new();
    let images = inputs.images.iter().map(|it| (IMAGE, "image", it));
    let programs = inputs.programs.iter();
    let programs = programs.map(|it| (BARE, "bare-metal programs", it));
    for (recipe, what, (arch, files)) in images.chain(programs) {
        let step = inputs.plan.find(recipe, Some(arch));
        let step = step.map(|id| inputs.plan.step(id));
        let locked = inputs.project.lock.of(recipe).get(arch);
        let Some(locked) = locked.filter(|its| Some(its.key) == step.map(|step| step.key)) else {
            let arch = arch.clone();
            found.push(Refusal::NotLocked { what, arch });
            continue;
        };
        let names: BTreeSet<&String> = locked.files.keys().chain(files.keys()).collect();
        for name in names {
            let is = files.get(name).map(|blob| LockedFile {
                size: blob.size,
                sha256: blob.digest,
            });
            if is.as_ref() != locked.files.get(name) {
                let (arch, name) = (arch.clone(), name.clone());
                found.push(Refusal::Differs { arch, name });
            }
        }
    }
    for (file, (_, source)) in sources(inputs.plan) {
        let blob = inputs.sources.get(file);
        if blob.is_none_or(|blob| blob.digest != source.pin.sha256) {
            found.push(Refusal::NoSource(file.to_owned()));
        }
    }
    for one in inputs.crates {
        if plan::spdx::identifiers(&one.license).is_err() {
            found.push(Refusal::Unlicensed(format!("{} {}", one.name, one.version)));
        }
    }
    for (id, recipe) in licences(inputs.plan) {
        if !inputs.licences.contains_key(&id) {
            found.push(Refusal::NoLicence { id, recipe });
        }
    }
    found
}

/// The release: a pure function of its inputs.
pub fn plan(inputs: &Inputs<'_>) -> Result<Release, Vec<Refusal>> {
    let refusals = refusals(inputs);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let name = name(inputs.version);
    let mut draft = Draft::default();
    let mut source = OciManifest::new(SOURCE_TYPE, &name, inputs.version, None);

    // Sources come before binaries, so that an interrupted publication has no binary without
    // source.
    for (file, blob) in inputs.sources {
        draft.shared(format!("sources/{file}"), blob, Phase::Sources);
    }
    let directory = |path: &str| format!("{name}/{path}");
    let bundle = format!("{name}-source.tar");
    source.layer(&bundle, inputs.bundle.digest, inputs.bundle.size);
    draft.shared(directory(&bundle), inputs.bundle, Phase::Directory);
    let mut texts: Vec<(String, Vec<u8>)> = inputs
        .licences
        .iter()
        .map(|(id, text)| (format!("LICENSES/{id}.txt"), text.clone()))
        .collect();
    texts.extend([
        ("README".to_owned(), document::readme(inputs).into_bytes()),
        (
            "BUILD.md".to_owned(),
            document::build(inputs.version).into_bytes(),
        ),
        ("kiln.spdx.json".to_owned(), sbom::render(inputs)),
        (
            "provenance.intoto.jsonl".to_owned(),
            provenance::render(inputs),
        ),
    ]);
    for (path, bytes) in texts {
        source.layer(&path, Digest::of(&bytes), bytes.len() as u64);
        draft.blob(&bytes);
        draft.text(directory(&path), bytes, Phase::Directory);
    }
    let source = source.finish(&mut draft, None);
    let mut descriptors = vec![source.clone()];
    for (arch, files) in inputs.images {
        let text = manifest::render(inputs, arch, files);
        let mut image = OciManifest::new(IMAGE_TYPE, &name, inputs.version, Some(arch));
        image.config(Digest::of(&text), text.len() as u64);
        draft.blob(&text);
        draft.text(
            directory(&format!("{arch}/manifest.json")),
            text,
            Phase::Directory,
        );
        for (file, blob) in files {
            image.layer(file, blob.digest, blob.size);
            draft.shared(directory(&format!("{arch}/{file}")), blob, Phase::Directory);
        }
        descriptors.push(image.finish(&mut draft, Some(&source)));
    }
    // Their source is the repository in the bundle, like that of the guest's init.
    for (arch, files) in inputs.programs {
        let mut programs = OciManifest::new(PROGRAMS_TYPE, &name, inputs.version, Some(arch));
        for (file, blob) in files {
            programs.layer(file, blob.digest, blob.size);
            let path = directory(&format!("{arch}/{PROGRAMS}{file}"));
            draft.shared(path, blob, Phase::Directory);
        }
        descriptors.push(programs.finish(&mut draft, Some(&source)));
    }
    let assets = Assets::of(inputs);
    let texts = [
        ("ASSETS.json", assets.json()),
        ("ASSETS.md", assets.markdown().into_bytes()),
    ];
    for (path, bytes) in texts {
        draft.text(directory(path), bytes, Phase::Directory);
    }
    // The index for registries. It also records which blobs belong to this release alone.
    let part = Index::default().naming(&descriptors).render();
    draft.text(directory(PART), part, Phase::Directory);
    let list = document::metalink(inputs, &name, &draft.files);
    draft.text(
        directory(&format!("{name}.meta4")),
        list.into_bytes(),
        Phase::Directory,
    );
    let sums = document::sums(&name, &draft.files);
    draft.text(directory(SUMS), sums.into_bytes(), Phase::Sums);
    draft.files.sort_by_key(|file| file.phase);
    Ok(Release {
        name,
        files: draft.files,
        descriptors,
    })
}
