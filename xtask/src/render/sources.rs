//! `images/prebuilt/SOURCES`: every source file of the images beside it, with its hash, licence and
//! places, for whoever received the images and asks for their source.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use plan::source::Location;
use plan::step::{Plan, Step};

/// The text, from the plan that made the images.
pub(crate) fn text(plan: &Plan) -> String {
    let mut text = String::from(HEADER);
    // Several recipes may use one archive: the first in plan order names its licence.
    let mut files: BTreeMap<&str, (&Step, &plan::source::Source)> = BTreeMap::new();
    for step in &plan.steps {
        for source in &step.sources {
            files
                .entry(source.pin.file.as_str())
                .or_insert((step, source));
        }
    }
    for (file, (step, source)) in files {
        let _ = writeln!(text, "\n{file}");
        let _ = writeln!(text, "    what     {} {}", step.recipe, step.version);
        let _ = writeln!(text, "    licence  {}", step.license);
        let _ = writeln!(text, "    size     {}", source.pin.size);
        let _ = writeln!(text, "    sha256   {}", source.pin.sha256);
        for location in &source.pin.locations {
            let place = match location {
                Location::Url(url) => url.clone(),
                Location::Debian(path) => format!("{path} in any mirror of the Debian archive"),
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
complete corresponding source. `cargo xtask fetch` downloads and checks every file;
`cargo xtask images --from-source --verify` builds the images from them and compares.

The bytes of linux, busybox, musl, gcc (libgcc only) and of `images/common/init.c` are in the images;
the other files make the tools that built them.
";
