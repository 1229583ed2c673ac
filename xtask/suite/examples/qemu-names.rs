//! Adds the names of QEMU binaries to `data/qemu-names.txt`. The arguments are binaries, or
//! directories with `qemu-system-*`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for the terminal of a developer"
)]

use std::error::Error;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::scratch::Scratch;
use suite::known::KnownNames;

const LIMIT: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let file = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("data/qemu-names.txt");
    let mut known = KnownNames::parse(&fs_err::read_to_string(&file).unwrap_or_default())?;
    for path in std::env::args().skip(1).map(Utf8PathBuf::from) {
        for binary in binaries(&path)? {
            let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "names")?;
            let facts = qemu::probe::ask(&binary, &[], scratch.path(), LIMIT)?;
            if let Some((subject, why)) = facts.unanswered.first_key_value() {
                return Err(format!("failed to ask `{binary}` about {subject}: {why}").into());
            }
            println!("{binary}: {}", facts.version);
            known.add(&facts);
        }
    }
    fs_err::write(&file, known.render())?;
    Ok(())
}

fn binaries(path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Box<dyn Error>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in path.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_name().starts_with("qemu-system-") && entry.path().is_file() {
            found.push(entry.into_path());
        }
    }
    found.sort();
    Ok(found)
}
