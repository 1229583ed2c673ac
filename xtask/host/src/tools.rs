//! Finds programs of the host on PATH.

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

/// Finds a program on this process's PATH.
#[must_use]
pub fn find(name: &str) -> Option<Utf8PathBuf> {
    let path = crate::env::path_variable()?;
    let directories: Vec<_> = std::env::split_paths(&path)
        .filter_map(|directory| Utf8PathBuf::from_path_buf(directory).ok())
        .collect();
    find_in(name, &directories)
}

/// Finds a program in these directories. A name with a slash is a path and is returned as is.
#[must_use]
pub fn find_in(name: &str, directories: &[Utf8PathBuf]) -> Option<Utf8PathBuf> {
    if name.contains('/') {
        return is_program(Utf8Path::new(name)).then(|| Utf8PathBuf::from(name));
    }
    let candidates = directories
        .iter()
        .filter(|directory| directory.is_absolute());
    candidates
        .map(|directory| directory.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Utf8Path) -> bool {
    fs_err::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn first_executable_on_path_is_found() {
        let root = Scratch::new_in(Utf8Path::new("/tmp"), "tools").expect("made");
        let directory = |name: &str, file: &str, mode: u32| {
            let path = root.path().join(name);
            fs_err::create_dir_all(&path).expect("made");
            fs_err::write(path.join(file), "").expect("written");
            let mode = std::fs::Permissions::from_mode(mode);
            fs_err::set_permissions(path.join(file), mode).expect("set");
            path
        };
        let plain = directory("plain", "make", 0o644);
        let first = directory("first", "make", 0o755);
        let second = directory("second", "make", 0o755);
        fs_err::create_dir(plain.join("dir")).expect("made");
        let path = [plain, "relative".into(), first.clone(), second];
        assert_eq!(find_in("make", &path), Some(first.join("make")));
        assert_eq!(find_in("dir", &path), None);
        assert_eq!(find_in("gmake", &path), None);
        assert_eq!(
            find_in(first.join("make").as_str(), &[]),
            Some(first.join("make"))
        );
    }
}
