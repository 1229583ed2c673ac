//! The crates in a bundle, source only. Object code that some crates contain for other systems is
//! omitted and removed from cargo's lists of checksums.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::Value;

use super::Entry;

/// Cargo's list of the digests of a vendored crate's files.
const CHECKSUMS: &str = ".cargo-checksum.json";

/// Magic bytes of object code: ELF, archives, PE, Mach-O, WebAssembly, and COFF of x86, x86-64 and
/// ARM64.
const OBJECTS: [&[u8]; 9] = [
    b"\x7fELF",
    b"!<arch>\n",
    b"MZ\x90\0",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"\x4c\x01",
    b"\x64\x86",
    b"\x64\xaa",
];

/// The files that `cargo vendor` wrote, by their path below `vendor/`.
pub(super) fn entries(folder: &Utf8Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    for package in folder.read_dir_utf8()? {
        let package = package?;
        if package.file_type()?.is_dir() {
            for (path, entry) in self::package(package.path())? {
                entries.insert(format!("{}/{path}", package.file_name()), entry);
            }
        }
    }
    Ok(entries)
}

fn package(root: &Utf8Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    let mut objects = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8()? {
            let entry = entry?;
            let path = entry.path().to_owned();
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string();
            if is_object(&path)? {
                objects.push(name);
                continue;
            }
            let executable = false;
            entries.insert(name, Entry::File { path, executable });
        }
    }
    if !objects.is_empty() {
        let text = without(&root.join(CHECKSUMS), &objects)?;
        entries.insert(CHECKSUMS.to_owned(), Entry::Bytes(text));
    }
    Ok(entries)
}

fn is_object(path: &Utf8PathBuf) -> io::Result<bool> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(8).read_to_end(&mut start)?;
    Ok(OBJECTS.iter().any(|magic| start.starts_with(magic)))
}

/// A crate's list of checksums without those of some files.
fn without(path: &Utf8Path, names: &[String]) -> io::Result<Vec<u8>> {
    let mut sums: Value = serde_json::from_slice(&fs::read(path)?)?;
    if let Some(files) = sums["files"].as_object_mut() {
        files.retain(|name, _| !names.contains(name));
    }
    Ok(sums.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_crate_is_source_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        fs::create_dir_all(root.join("a-1.0.0/lib")).unwrap();
        let sums = "{\"files\":{\"lib.rs\":\"aa\",\"lib/a.lib\":\"bb\"},\"package\":\"cc\"}";
        for (name, bytes) in [
            ("lib.rs", &b"MZ is a name; d\x86"[..]),
            ("lib/a.lib", b"!<arch>\n/"),
            ("lib/program", b"\x7fELF\x02"),
            ("lib/nasm.o", b"\x64\x86\x07\0"),
            (CHECKSUMS, sums.as_bytes()),
        ] {
            fs::write(root.join("a-1.0.0").join(name), bytes).unwrap();
        }
        let entries = entries(root).unwrap();
        let names: Vec<&str> = entries.keys().map(String::as_str).collect();
        assert_eq!(names, ["a-1.0.0/.cargo-checksum.json", "a-1.0.0/lib.rs"]);
        let sums = "{\"files\":{\"lib.rs\":\"aa\"},\"package\":\"cc\"}";
        let bytes = sums.as_bytes().to_vec();
        assert_eq!(entries["a-1.0.0/.cargo-checksum.json"], Entry::Bytes(bytes));
    }
}
