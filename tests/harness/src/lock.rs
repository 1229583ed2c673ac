//! The text of `images/images.lock`.

use std::fmt::Write as _;

use plan::digest::Digest;

/// A lock with one image of these files.
pub fn text<'a>(
    arch: &str,
    key: &str,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> String {
    let mut lock = format!("version = 1\n\n[[image]]\narch = \"{arch}\"\nkey = \"{key}\"\n");
    for (name, bytes) in files {
        let (size, sum) = (bytes.len(), Digest::of(bytes));
        write!(
            lock,
            "\n[[image.file]]\nname = \"{name}\"\nsize = {size}\nsha256 = \"{sum}\"\n"
        )
        .unwrap();
    }
    lock
}
