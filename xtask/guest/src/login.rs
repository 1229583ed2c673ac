//! An interactive guest: the image, and the profile of its login shell.

use camino::{Utf8Path, Utf8PathBuf};
use plan::cpio::{Entry, Node, archive};

/// Commands that end the guest. Otherwise the shell would ask an init that does not support them. A
/// login shell reads the file.
const PROFILE: &str = "poweroff() { sync; command poweroff -f; }\n\
                       halt() { poweroff; }\n\
                       shutdown() { poweroff; }\n\
                       reboot() { sync; command reboot -f; }\n";

/// The image's initramfs with the files for a login shell, as a file in a folder.
pub fn initramfs(image: &Utf8Path, folder: &Utf8Path) -> std::io::Result<Utf8PathBuf> {
    let entry = |path: &str, mode, node| Entry {
        path: path.to_owned(),
        mode,
        node,
    };
    let overlay = [
        entry("etc", 0o755, Node::Directory),
        entry(
            "etc/profile",
            0o644,
            Node::File(PROFILE.as_bytes().to_owned()),
        ),
    ];
    let overlay = archive(&overlay, 0).map_err(std::io::Error::other)?;
    let path = folder.join("initramfs.cpio");
    let image = host::files::read(image)?;
    host::files::write(&path, &[image, overlay].concat())?;
    Ok(path)
}
