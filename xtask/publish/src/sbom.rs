//! `kiln.spdx.json`: the bill of materials in SPDX 2.3 (spdx.github.io/spdx-spec/v2.3). Images contain
//! packages and are generated from them; what only made the tools is a build tool of the image.

use plan::source::Location;
use serde_json::{Value, json};

use crate::legal::is_contained;
use crate::release::{Inputs, OWN_LICENCE, name, sources};

pub(crate) fn render(inputs: &Inputs<'_>) -> Vec<u8> {
    let release = name(inputs.version);
    let mut packages = Vec::new();
    let mut files = Vec::new();
    let mut relations = Vec::new();
    let mut relate = |from: &str, how: &str, to: &str| {
        relations.push(json!({
            "spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to,
        }));
    };
    for (arch, image) in inputs.images {
        let id = format!("SPDXRef-image-{}", word(arch));
        let Some(step) = inputs.plan.image(arch) else {
            continue;
        };
        packages.push(json!({
            "SPDXID": id, "name": format!("kiln-image-{arch}"), "versionInfo": inputs.version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
            "licenseConcluded": step.license, "licenseDeclared": step.license,
            "copyrightText": "NOASSERTION", "primaryPackagePurpose": "OPERATING-SYSTEM",
        }));
        relate("SPDXRef-DOCUMENT", "DESCRIBES", &id);
        for (file, blob) in image {
            let file_id = format!("SPDXRef-file-{}-{}", word(arch), word(file));
            files.push(json!({
                "SPDXID": file_id, "fileName": format!("./{arch}/{file}"),
                "checksums": [{"algorithm": "SHA256", "checksumValue": blob.digest}],
                "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION",
            }));
            relate(&id, "CONTAINS", &file_id);
            for (package, (step, _)) in sources(inputs.plan) {
                if is_contained(inputs.plan, step) {
                    relate(&file_id, "GENERATED_FROM", &source_id(package));
                }
            }
        }
        for (package, (step, _)) in sources(inputs.plan) {
            if is_contained(inputs.plan, step) {
                relate(&id, "CONTAINS", &source_id(package));
            } else {
                relate(&source_id(package), "BUILD_TOOL_OF", &id);
            }
        }
        relate(&id, "GENERATED_FROM", "SPDXRef-repository");
    }
    for (file, (step, source)) in sources(inputs.plan) {
        let location = source
            .pin
            .locations
            .iter()
            .find_map(|location| match location {
                Location::Url(url) => Some(url.as_str()),
                Location::Debian(_) => None,
            });
        packages.push(json!({
            "SPDXID": source_id(file), "name": step.recipe, "versionInfo": step.version,
            "packageFileName": format!("../sources/{file}"),
            "downloadLocation": location.unwrap_or("NOASSERTION"), "filesAnalyzed": false,
            "checksums": [{"algorithm": "SHA256", "checksumValue": source.pin.sha256}],
            "licenseConcluded": step.license, "licenseDeclared": step.license,
            "copyrightText": "NOASSERTION", "primaryPackagePurpose": "SOURCE",
        }));
    }
    packages.push(json!({
        "SPDXID": "SPDXRef-repository", "name": "kiln", "versionInfo": inputs.commit,
        "packageFileName": format!("{release}-source.tar"),
        "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
        "checksums": [{"algorithm": "SHA256", "checksumValue": inputs.bundle.digest}],
        "licenseConcluded": "NOASSERTION", "licenseDeclared": OWN_LICENCE,
        "copyrightText": "NOASSERTION", "primaryPackagePurpose": "SOURCE",
    }));
    crate::index::json(&json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": release,
        "documentNamespace": format!("urn:kiln:spdx:{release}:{}", inputs.bundle.digest),
        "creationInfo": {
            "created": host::clock::rfc3339(inputs.project.epoch),
            "creators": [format!("Tool: {release}")],
        },
        "packages": Value::Array(packages), "files": Value::Array(files),
        "relationships": Value::Array(relations),
    }))
}

fn source_id(file: &str) -> String {
    format!("SPDXRef-source-{}", word(file))
}

/// As an identifier may be: letters, digits, `.` and `-`.
fn word(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.';
    text.chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect()
}
