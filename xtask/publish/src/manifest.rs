//! `manifest.json` of an image: its identity, how to boot it, and its sources. It contains no date,
//! host or builder, so that a rebuild gives the same file.

use std::collections::BTreeMap;

use plan::arch::Machine;
use plan::digest::{BuildKey, Digest};
use serde::{Deserialize, Serialize};

use crate::index::json;
use crate::inputs::{Blob, IMAGE, Inputs, name, sources};
use crate::schema::{self, SchemaError};

/// Version of the format. Readers refuse a newer one.
const SCHEMA: u32 = 1;

/// `manifest.json`. Readers ignore unknown fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// See [`SCHEMA`].
    pub(crate) schema: u32,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    pub(crate) key: BuildKey,
    pub(crate) files: BTreeMap<String, FileFacts>,
    pub(crate) boot: Boot,
    pub(crate) sources: Vec<SourceFacts>,
    /// The source bundle.
    pub(crate) bundle: SourceFacts,
}

/// One file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFacts {
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

/// The QEMU options that boot it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Boot {
    pub(crate) qemu: String,
    pub(crate) machine: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<String>,
    pub(crate) memory: String,
    pub(crate) append: String,
}

/// One source archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceFacts {
    pub(crate) recipe: String,
    pub(crate) version: String,
    pub(crate) license: String,
    pub(crate) file: String,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

impl Manifest {
    /// Parses the file.
    pub(crate) fn read(text: &[u8]) -> Result<Self, SchemaError> {
        schema::read(text, u64::from(SCHEMA), |its| its["schema"].as_u64())
    }
}

pub(crate) fn render(inputs: &Inputs<'_>, arch: &str, files: &BTreeMap<String, Blob>) -> Vec<u8> {
    let step = inputs.plan.image(arch);
    let profile = inputs.project.arches.get(arch).map(|arch| &arch.qemu);
    let machine: Option<&Machine> =
        profile.and_then(|profile| profile.machines.get(&profile.machine));
    let words =
        |text: &dyn Fn(&plan::arch::QemuProfile) -> String| profile.map(text).unwrap_or_default();
    let facts = |(file, blob): (&String, &Blob)| {
        let (size, sha256) = (blob.size, blob.digest);
        (file.clone(), FileFacts { size, sha256 })
    };
    let sources = sources(inputs.plan);
    json(&Manifest {
        schema: SCHEMA,
        name: name(inputs.version),
        version: inputs.version.to_owned(),
        arch: arch.to_owned(),
        key: step.map_or(BuildKey::from_bytes([0; 32]), |step| step.key),
        files: files.iter().map(facts).collect(),
        boot: Boot {
            qemu: words(&|profile| profile.binary.clone()),
            machine: machine
                .map(|machine| machine.name.clone())
                .unwrap_or_default(),
            cpu: machine.and_then(|machine| machine.cpu.clone()),
            memory: words(&|profile| profile.memory.clone()),
            append: machine
                .zip(profile)
                .map(|(machine, profile)| profile.append_for(machine))
                .unwrap_or_default(),
        },
        sources: sources
            .values()
            .map(|(step, source)| SourceFacts {
                recipe: step.recipe.clone(),
                version: step.version.clone(),
                license: step.license.clone(),
                file: source.pin.file.clone(),
                size: source.pin.size,
                sha256: source.pin.sha256,
            })
            .collect(),
        bundle: SourceFacts {
            recipe: IMAGE.to_owned(),
            version: inputs.version.to_owned(),
            license: step.map(|step| step.license.clone()).unwrap_or_default(),
            file: format!("{}-source.tar", name(inputs.version)),
            size: inputs.bundle.size,
            sha256: inputs.bundle.digest,
        },
    })
}
