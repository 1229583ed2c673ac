//! Checks for contained paths: they never lead out, and each file has one spelling.

/// Whether a path is relative, without empty parts, `.` or `..`.
pub(crate) fn is_relative(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a text is the name of one file in a directory.
pub(crate) fn is_file_name(name: &str) -> bool {
    is_relative(name) && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::{is_file_name, is_relative};

    #[test]
    fn only_contained_paths_are_relative() {
        fn check(path: &str, relative: bool, name: bool) {
            assert_eq!(
                (is_relative(path), is_file_name(path)),
                (relative, name),
                "{path:?}"
            );
        }
        check("a", true, true);
        check("a/b.c", true, false);
        check("...", true, true);
        for path in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0",
        ] {
            check(path, false, false);
        }
    }
}
