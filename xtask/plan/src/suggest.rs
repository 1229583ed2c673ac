//! Suggests the name that was probably meant. Every error about a misspelt name uses it.

/// The candidate nearest to `word`, if it is near enough to be a misspelling.
///
/// Ignores case. Of equally near candidates the first is chosen.
#[must_use]
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let length = word.chars().count();
            let longer = length.max(candidate.chars().count());
            *distance <= longer.div_ceil(3) && *distance < length
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A help text: the nearest name, then all known names.
#[must_use]
pub fn help<'a>(word: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = list(known.iter().copied());
    match closest(word, known) {
        Some(near) => format!("did you mean `{near}`? {what}: {list}"),
        None => format!("{what}: {list}"),
    }
}

/// Names in backticks, or `none`.
#[must_use]
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::{closest, help};

    #[test]
    fn near_name_is_suggested() {
        fn check(word: &str, expect: Option<&str>) {
            let known = [
                "busybox",
                "busybox-config",
                "gcc",
                "linux",
                "linux-headers",
                "ppc64",
            ];
            assert_eq!(closest(word, known), expect, "{word}");
        }
        check("busibox", Some("busybox"));
        check("LINUX", Some("linux"));
        check("linux-header", Some("linux-headers"));
        check("gc", Some("gcc"));
        check("cgc", Some("gcc"));
        check("ppc46", Some("ppc64"));
        check("glibc", None);
        check("x", None);
        check("", None);
    }

    #[test]
    fn help_lists_all_commands() {
        assert_eq!(
            help("gc", "recipes", ["gcc"]),
            "did you mean `gcc`? recipes: `gcc`"
        );
        assert_eq!(
            help("zlib", "recipes", ["gcc", "gmp"]),
            "recipes: `gcc`, `gmp`"
        );
        assert_eq!(help("zlib", "recipes", []), "recipes: none");
    }
}
