//! `kiln.spdx.json`: the bill of materials in SPDX 2.3 (spdx.github.io/spdx-spec/v2.3). Images
//! contain packages and are generated from them. A package that was only used to build is a build
//! tool of the image.
//!
//! The files of an image are packages too, because an SPDX file requires a SHA-1.

use serde_json::{Value, json};

use crate::crates::Crate;
use crate::inputs::{Blob, Inputs, OWN_LICENCE, name, sources};
use crate::legal::is_contained;

/// The purpose of a crate, whose licence text is in the bundle next to its code.
pub(crate) const CRATE: &str = "LIBRARY";

pub(crate) fn render(inputs: &Inputs<'_>) -> Vec<u8> {
    let release = name(inputs.version);
    let mut packages = Vec::new();
    let mut relations = Vec::new();
    let mut relate = |from: &str, how: &str, to: &str| {
        relations.push(json!({
            "spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to,
        }));
    };
    for (arch, image) in inputs.images {
        let id = format!("SPDXRef-image-{}", identifier(arch));
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
            let file_id = format!("SPDXRef-file-{}-{}", identifier(arch), identifier(file));
            let path = format!("{arch}/{file}");
            packages.push(package_of_file(
                &file_id,
                inputs.version,
                (&path, blob),
                "NOASSERTION",
            ));
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
    for (arch, programs) in inputs.programs {
        for (program, blob) in programs {
            let id = format!("SPDXRef-bare-{}-{}", identifier(arch), identifier(program));
            let path = format!("{arch}/bare/{program}");
            packages.push(package_of_file(
                &id,
                inputs.version,
                (&path, blob),
                OWN_LICENCE,
            ));
            relate("SPDXRef-DOCUMENT", "DESCRIBES", &id);
            relate(&id, "GENERATED_FROM", "SPDXRef-repository");
        }
    }
    for (file, (step, source)) in sources(inputs.plan) {
        let location = source.pin.urls().next();
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
    for one in inputs.crates {
        let id = format!(
            "SPDXRef-crate-{}",
            identifier(&format!("{}-{}", one.name, one.version))
        );
        packages.push(package_of_crate(&id, one));
        relate("SPDXRef-repository", "CONTAINS", &id);
    }
    crate::index::json(&json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": release,
        "documentNamespace": format!("urn:kiln:spdx:{release}:{}", inputs.bundle.digest),
        "creationInfo": {
            "created": host::clock::rfc3339(inputs.project.epoch),
            "creators": [format!("Tool: {release}")],
        },
        "packages": Value::Array(packages), "relationships": Value::Array(relations),
    }))
}

/// A file of the release as a package.
fn package_of_file(id: &str, version: &str, (path, blob): (&str, &Blob), licence: &str) -> Value {
    json!({
        "SPDXID": id, "name": path, "versionInfo": version,
        "packageFileName": format!("./{path}"),
        "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
        "checksums": [{"algorithm": "SHA256", "checksumValue": blob.digest}],
        "licenseConcluded": licence, "licenseDeclared": licence,
        "copyrightText": "NOASSERTION", "primaryPackagePurpose": "FILE",
    })
}

fn package_of_crate(id: &str, one: &Crate) -> Value {
    let (name, version) = (&one.name, &one.version);
    let purl = format!("pkg:cargo/{name}@{version}");
    let reference = json!({
        "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
    });
    json!({
        "SPDXID": id, "name": name, "versionInfo": version,
        "packageFileName": format!("vendor/{name}-{version}"),
        "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "externalRefs": [reference],
        "licenseConcluded": one.license, "licenseDeclared": one.license,
        "copyrightText": "NOASSERTION", "primaryPackagePurpose": CRATE,
    })
}

fn source_id(file: &str) -> String {
    format!("SPDXRef-source-{}", identifier(file))
}

/// Converts to a valid identifier: letters, digits, `.` and `-`.
fn identifier(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.';
    text.chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect()
}
