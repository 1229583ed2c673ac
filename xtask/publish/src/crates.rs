//! Lists the Rust crates of the build program with their licences. Their code and licence texts are
//! in the source bundle. Nothing of them is in an image.

use camino::Utf8Path;
use host::process::Command;
use serde::{Deserialize, Serialize};

use crate::repository::{RepositoryError, run};

/// A third-party crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Crate {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SPDX expression, empty if the crate has none.
    pub license: String,
}

/// The relevant fields of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// Where the crate comes from. Crates of this workspace have no source.
    source: Option<String>,
}

/// The crates of the lock file, sorted, from cargo's downloads.
pub fn read(root: &Utf8Path, cargo: &Utf8Path) -> Result<Vec<Crate>, RepositoryError> {
    let words = ["metadata", "--format-version=1", "--locked", "--offline"];
    let command = Command::new(cargo).args(words).current_dir(root);
    parse(&run(command, RepositoryError::Crates)?)
}

fn parse(text: &str) -> Result<Vec<Crate>, RepositoryError> {
    let metadata: Metadata =
        serde_json::from_str(text).map_err(|error| RepositoryError::Crates(error.to_string()))?;
    let others = metadata.packages.into_iter();
    let mut crates: Vec<Crate> = others
        .filter(|package| package.source.is_some())
        .map(|package| Crate {
            name: package.name,
            version: package.version,
            license: expression(&package.license.unwrap_or_default()),
        })
        .collect();
    crates.sort();
    Ok(crates)
}

/// Cargo used to allow `/` in place of an SPDX expression.
fn expression(text: &str) -> String {
    let terms: Vec<&str> = text.split('/').map(str::trim).collect();
    terms.join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_have_spdx_licences() {
        let text = r#"{"packages": [
            {"name": "b", "version": "2.0.0", "license": "MIT/Apache-2.0", "source": "registry"},
            {"name": "a", "version": "1.0.0", "license": null, "source": "registry"},
            {"name": "ours", "version": "0.1.0", "license": "MIT", "source": null}
        ]}"#;
        let licences: Vec<String> = parse(text)
            .unwrap()
            .iter()
            .map(|one| format!("{} {}: {}", one.name, one.version, one.license))
            .collect();
        assert_eq!(licences, ["a 1.0.0: ", "b 2.0.0: MIT OR Apache-2.0"]);
        assert!(matches!(parse("no JSON"), Err(RepositoryError::Crates(_))));
    }
}
