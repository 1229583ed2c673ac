//! Writes `images/prebuilt/SOURCES`: every source file of the images next to it, with hash, licence
//! and URLs, for a recipient of the images who asks for their source.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use plan::Project;
use plan::source::Location;

/// The path in the repository.
pub const PATH: &str = "images/prebuilt/SOURCES";

/// The text for all recipes. A recipe that uses another's sources lists none of its own.
#[must_use]
pub fn text(project: &Project) -> String {
    let mut text = String::from(HEADER);
    let files: BTreeMap<&str, _> = project
        .sources()
        .map(|(recipe, source)| (source.pin.file.as_str(), (recipe, source)))
        .collect();
    for (file, (recipe, source)) in files {
        let _ = writeln!(text, "\n{file}");
        let _ = writeln!(text, "    what     {} {}", recipe.name, recipe.version);
        let _ = writeln!(text, "    licence  {}", recipe.license);
        let _ = writeln!(text, "    size     {}", source.pin.size);
        let _ = writeln!(text, "    sha256   {}", source.pin.sha256);
        for location in &source.pin.locations {
            let place = match location {
                Location::Url(url) => url.clone(),
                Location::Debian(path) => format!("{path} in any mirror of the Debian archive"),
                Location::DebianSnapshot(sha1) => {
                    format!("file/{sha1} in the snapshot archive of Debian")
                }
            };
            let _ = writeln!(text, "    place    {place}");
        }
        for patch in &source.patches {
            let _ = writeln!(text, "    patch    {}", patch.path);
        }
    }
    text
}

const HEADER: &str = "\
Sources of the images in this directory. Written by `cargo xtask images --update-prebuilt`.

Each image is made from exactly these files by the recipes in `recipes/`, the configs and the init
in `images/`, and the scripts in them, all in this repository at this commit: together they are the
complete corresponding source. The archives in `bare/` are made from `guest-tests/bare/` alone. `cargo xtask fetch --sources` downloads and checks every file;
`cargo xtask images --from-source --verify` builds the images from them and compares.

The bytes of linux, busybox, musl, gcc (libgcc only) and of `images/common/init.c` are in the images;
the other files make the tools that built them.
";
