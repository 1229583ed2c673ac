//! The directories in which the dynamic loader of a host searches libraries: `ld.so.conf` and the
//! files that it includes (ldconfig(8)), and the built-in ones.

use camino::{Utf8Path, Utf8PathBuf};

/// The configuration of glibc's loader, and its cache, which the loader in a guest also reads.
const CONFIG: &str = "/etc/ld.so.conf";
pub(crate) const CACHE: &str = "/etc/ld.so.cache";
/// The built-in directories of the loaders of glibc and musl, in order.
const BUILT_IN: [&str; 5] = ["/lib64", "/usr/lib64", "/lib", "/usr/local/lib", "/usr/lib"];
/// Maximum depth of files that include each other.
const DEPTH: u32 = 8;

/// A path of the host below another root, which is `/` outside tests.
pub(crate) fn at(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The directories of the configuration in order.
pub(crate) fn configured(root: &Utf8Path) -> std::io::Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    read(root, Utf8Path::new(CONFIG), DEPTH, &mut found)?;
    Ok(found)
}

/// The built-in directories.
pub(crate) fn built_in() -> impl Iterator<Item = Utf8PathBuf> {
    BUILT_IN.into_iter().map(Utf8PathBuf::from)
}

fn read(
    root: &Utf8Path,
    file: &Utf8Path,
    depth: u32,
    found: &mut Vec<Utf8PathBuf>,
) -> std::io::Result<()> {
    let Some(text) = host::files::read_text(&at(root, file))?.filter(|_| depth > 0) else {
        return Ok(());
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_whitespace();
        match words.next() {
            None | Some("hwcap") => {}
            Some("include") => {
                for pattern in words {
                    for file in matching(root, file, pattern)? {
                        read(root, &file, depth - 1, found)?;
                    }
                }
            }
            // A directory may end in `=TYPE`, which nothing has used since libc 5.
            Some(_) => {
                let directories = line.split([':', ',', ' ', '\t']);
                let directories = directories.map(|path| path.split('=').next().unwrap_or(path));
                let new = directories.filter(|path| path.starts_with('/'));
                found.extend(new.map(|path| Utf8PathBuf::from(path.trim_end_matches('/'))));
            }
        }
    }
    Ok(())
}

/// The files that match a pattern with at most one `*` in its last part, sorted like glob(3).
fn matching(root: &Utf8Path, file: &Utf8Path, pattern: &str) -> std::io::Result<Vec<Utf8PathBuf>> {
    let folder = file.parent().unwrap_or(file);
    let pattern = folder.join(pattern);
    let name = pattern.file_name().unwrap_or_default();
    let Some((start, end)) = name.split_once('*') else {
        return Ok(vec![pattern]);
    };
    let folder = pattern.parent().unwrap_or(folder);
    if !at(root, folder).is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs_err::read_dir(at(root, folder))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let rest = name.strip_prefix(start);
        if !name.starts_with('.') && rest.is_some_and(|rest| rest.ends_with(end)) {
            found.push(folder.join(&*name));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_are_read_in_order() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        let write = |path: &str, text: &str| {
            host::files::write(&root.join(path), text.as_bytes()).unwrap();
        };
        write(
            "etc/ld.so.conf",
            "include /etc/ld.so.conf.d/*.conf\n/opt/last/ # the last\n",
        );
        write("etc/ld.so.conf.d/b.conf", "/b1:/b2\ninclude c.list\n");
        write("etc/ld.so.conf.d/a.conf", "# none\n/a\nhwcap 0 nosegneg\n");
        write("etc/ld.so.conf.d/ignored", "/ignored\n");
        write("etc/ld.so.conf.d/c.list", "/c=libc6\ninclude b.conf\n");
        let found = configured(root).unwrap();
        assert_eq!(found[..5], ["/a", "/b1", "/b2", "/c", "/b1"]);
        assert_eq!(found.last().unwrap(), "/opt/last");
    }
}
