//! URLs without what is secret in them: for messages, logs and files.

/// What stands for a user and a password.
const HIDDEN: &str = "***";

/// The URL without its user and password, as it may be printed and written down.
#[must_use]
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.to_owned();
    };
    if scheme.eq_ignore_ascii_case("file") {
        return url.to_owned();
    }
    // As readers of URLs do: any number of slashes either way, and an authority up to the next one.
    let slash = |c: char| c == '/' || c == '\\';
    let authority = rest.trim_start_matches(slash);
    let slashes = &rest[..rest.len() - authority.len()];
    let end = authority.find(|c| slash(c) || c == '?' || c == '#');
    let (authority, path) = authority.split_at(end.unwrap_or(authority.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}:{slashes}{HIDDEN}@{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_hidden_however_the_address_is_written() {
        for (url, expect) in [
            ("https://me:secret@host/a@b", "https://***@host/a@b"),
            ("https://token@host:8080", "https://***@host:8080"),
            ("https://me:p@ss@host?q=a@b", "https://***@host?q=a@b"),
            ("http:me:secret@host/x", "http:***@host/x"),
            ("http:\\\\me:secret@host\\x", "http:\\\\***@host\\x"),
            ("https://me:secret@host#a", "https://***@host#a"),
        ] {
            assert_eq!(shown(url), expect);
        }
    }

    #[test]
    fn an_address_without_them_stays_as_it_is() {
        for url in [
            "https://host/a@b",
            "file:///a@b",
            "host/path",
            "https://host?a@b",
            "",
        ] {
            assert_eq!(shown(url), url);
        }
    }
}
