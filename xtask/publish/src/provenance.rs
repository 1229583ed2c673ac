//! `provenance.intoto.jsonl`: one in-toto statement per image with SLSA provenance
//! (slsa.dev/provenance/v1), one per line. The builder is omitted, because anybody can reproduce
//! the build.

use serde_json::json;

use crate::inputs::{Inputs, name, sources};

const BUILD_TYPE: &str = "urn:kiln:build:image:1";
const BUILDER: &str = "urn:kiln:builder:sandbox:1";

pub(crate) fn render(inputs: &Inputs<'_>) -> Vec<u8> {
    let mut lines = Vec::new();
    for (arch, files) in inputs.images {
        let subjects: Vec<_> = files
            .iter()
            .map(|(file, blob)| {
                json!({"name": format!("{arch}/{file}"), "digest": {"sha256": blob.digest}})
            })
            .collect();
        let mut materials: Vec<_> = sources(inputs.plan)
            .into_iter()
            .map(|(file, (_, source))| {
                let digest = json!({"sha256": source.pin.sha256});
                let mut material = json!({"name": format!("../sources/{file}"), "digest": digest});
                if let Some(url) = source.pin.urls().next() {
                    material["uri"] = json!(url);
                }
                material
            })
            .collect();
        materials.push(json!({
            "name": format!("{}-source.tar", name(inputs.version)),
            "digest": {"gitCommit": inputs.commit, "sha256": inputs.bundle.digest},
        }));
        let key = inputs.plan.image(arch).map(|step| step.key);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subjects,
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {"arch": arch, "version": inputs.version},
                    "internalParameters": {"key": key, "epoch": inputs.project.epoch},
                    "resolvedDependencies": materials,
                },
                "runDetails": {"builder": {"id": BUILDER}},
            },
        });
        lines.extend(statement.to_string().into_bytes());
        lines.push(b'\n');
    }
    lines
}
