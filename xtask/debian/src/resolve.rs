//! Which packages a system needs.

use std::collections::{BTreeMap, VecDeque};

use crate::index::{Index, Package};
use crate::relation::Relation;

/// A set of packages that cannot be installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A requested package does not exist.
    #[error("Debian has no package `{0}`")]
    Absent(String),
    /// A dependency cannot be met.
    #[error("package `{package}` needs `{clause}`, which Debian does not have")]
    Unmet {
        /// The package.
        package: String,
        /// Its dependency.
        clause: String,
    },
    /// Two packages exclude each other.
    #[error("package `{package}` cannot be installed with `{other}`")]
    Conflict {
        /// The package.
        package: String,
        /// The package that it excludes.
        other: String,
    },
}

/// The base packages of the archive, the requested ones and all that they depend on, by name.
///
/// Of alternatives, the first that is selected already counts, else the first that exists, else the
/// first package that provides one. Recommended packages are left out.
pub fn resolve<'a>(
    index: &'a Index,
    requested: &[String],
) -> Result<Vec<&'a Package>, ResolveError> {
    let mut selected: BTreeMap<&str, &Package> = BTreeMap::new();
    let mut queue: VecDeque<&Package> = VecDeque::new();
    for name in requested {
        let package = index.get(name);
        queue.push_back(package.ok_or_else(|| ResolveError::Absent(name.clone()))?);
    }
    queue.extend(index.packages().filter(|package| package.is_base));
    // What was requested decides between alternatives before any dependency does.
    selected.extend(
        queue
            .iter()
            .map(|package| (package.name.as_str(), *package)),
    );
    while let Some(package) = queue.pop_front() {
        for clause in &package.depends {
            if clause
                .iter()
                .any(|one| selected.values().any(|other| meets(other, one)))
            {
                continue;
            }
            let found = choose(index, clause).ok_or_else(|| ResolveError::Unmet {
                package: package.name.clone(),
                clause: shown(clause),
            })?;
            selected.insert(&found.name, found);
            queue.push_back(found);
        }
    }
    let selected: Vec<&Package> = selected.into_values().collect();
    match conflict(&selected) {
        Some(error) => Err(error),
        None => Ok(selected),
    }
}

fn choose<'a>(index: &'a Index, clause: &[Relation]) -> Option<&'a Package> {
    let real = clause.iter().find_map(|one| {
        let package = index.get(&one.name)?;
        one.admits(&package.version).then_some(package)
    });
    let provider = || {
        clause
            .iter()
            .find_map(|one| index.packages().find(|package| meets(package, one)))
    };
    real.or_else(provider)
}

/// Whether a package is what a relation names, or provides it.
fn meets(package: &Package, relation: &Relation) -> bool {
    let provides = |virtual_package: &Relation| {
        let version = virtual_package.condition.as_ref();
        virtual_package.name == relation.name
            && version.map_or(relation.condition.is_none(), |(_, version)| {
                relation.admits(version)
            })
    };
    (package.name == relation.name && relation.admits(&package.version))
        || package.provides.iter().any(provides)
}

/// Two packages of a set of which one excludes the other. A package never excludes itself.
fn conflict(selected: &[&Package]) -> Option<ResolveError> {
    selected.iter().find_map(|package| {
        let others = || selected.iter().filter(|other| other.name != package.name);
        let other = package
            .conflicts
            .iter()
            .find_map(|one| others().find(|other| meets(other, one)))?;
        Some(ResolveError::Conflict {
            package: package.name.clone(),
            other: other.name.clone(),
        })
    })
}

fn shown(clause: &[Relation]) -> String {
    let alternatives: Vec<String> = clause.iter().map(ToString::to_string).collect();
    alternatives.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "3a2118df47bf3f04285649f0455c2fc6fe2dc7f0b237073038aa00af41f0d5f2";

    /// An index of packages, each with further fields.
    fn index(packages: &[(&str, &str)]) -> Index {
        let paragraph = |(name, fields): &(&str, &str)| {
            format!("Package: {name}\nVersion: 2\nFilename: x\nSize: 1\nSHA256: {SUM}\n{fields}\n")
        };
        let text: Vec<String> = packages.iter().map(paragraph).collect();
        Index::parse(&text.join("\n")).unwrap()
    }

    fn names(index: &Index, requested: &[&str]) -> Result<String, String> {
        let requested: Vec<String> = requested.iter().map(ToString::to_string).collect();
        let packages = resolve(index, &requested).map_err(|error| error.to_string())?;
        let names: Vec<&str> = packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        Ok(names.join(" "))
    }

    #[test]
    fn base_and_indirect_dependencies_are_selected() {
        let index = index(&[
            ("dash", "Essential: yes\nPre-Depends: libc"),
            ("libc", "Depends: gcc-base"),
            ("gcc-base", ""),
            ("tool", "Depends: libc (>= 1)\nRecommends: other"),
            ("other", ""),
        ]);
        assert_eq!(names(&index, &[]).unwrap(), "dash gcc-base libc");
        assert_eq!(names(&index, &["tool"]).unwrap(), "dash gcc-base libc tool");
    }

    #[test]
    fn selected_alternative_comes_before_the_first_one() {
        let packages = [
            ("tool", "Depends: first | second"),
            ("first", ""),
            ("second", ""),
            ("third", "Provides: first (= 5)"),
        ];
        let index = index(&packages);
        assert_eq!(names(&index, &["tool"]).unwrap(), "first tool");
        assert_eq!(names(&index, &["tool", "second"]).unwrap(), "second tool");
        assert_eq!(names(&index, &["tool", "third"]).unwrap(), "third tool");
    }

    #[test]
    fn provider_needs_a_version_where_one_is_demanded() {
        let index = index(&[
            ("plain", "Depends: mail"),
            ("exact", "Depends: mail (>= 1)"),
            ("postfix", "Provides: mail"),
        ]);
        assert_eq!(names(&index, &["plain"]).unwrap(), "plain postfix");
        let error = names(&index, &["exact"]).unwrap_err();
        assert_eq!(
            error,
            "package `exact` needs `mail (>= 1)`, which Debian does not have"
        );
    }

    #[test]
    fn impossible_sets_are_refused() {
        let index = index(&[
            ("a", "Conflicts: b, a"),
            ("b", ""),
            ("old", "Depends: b (<< 2) | c"),
        ]);
        assert_eq!(names(&index, &["a"]).unwrap(), "a");
        assert_eq!(
            names(&index, &["a", "b"]).unwrap_err(),
            "package `a` cannot be installed with `b`"
        );
        assert_eq!(
            names(&index, &["x"]).unwrap_err(),
            "Debian has no package `x`"
        );
        let error = names(&index, &["old"]).unwrap_err();
        assert_eq!(
            error,
            "package `old` needs `b (<< 2) | c`, which Debian does not have"
        );
    }
}
