//! The texts of a release for people and download managers: README, BUILD.md, checksums, Metalink.

use std::fmt::Write as _;

use crate::draft::{Phase, PublishedFile};
use crate::inputs::{Inputs, OWN_LICENCE, name, sources};
use crate::legal::is_contained;

/// The contents of the folder, with licences and sources.
pub(crate) fn readme(inputs: &Inputs<'_>) -> String {
    let release = name(inputs.version);
    let mut text = format!(
        "{release}\n\n\
         Linux guests for tests of QEMU, with their complete corresponding source.\n\n\
         <arch>/kernel, <arch>/initramfs.cpio   the image; manifest.json says how it boots\n\
         <arch>/device-tree      the argument of QEMU's -dtb, where a machine needs one\n\
         ASSETS.json, ASSETS.md addresses, digests and QEMU's command line for every machine\n\
         <arch>/bare/            programs of bare-metal tests, under {OWN_LICENCE}, whose source is in\n\
         \x20                       guest-tests/bare/ of the repository in the bundle\n\
         <arch>/config, <arch>/busybox.config   what it was configured as\n\
         {release}-source.tar   everything that is needed to build it again; BUILD.md says how\n\
         LICENSES/              the licences, by SPDX identifier\n\
         kiln.spdx.json         bill of materials; provenance.intoto.jsonl: what was made from what\n\
         SHA256SUMS             digests: sha256sum -c SHA256SUMS\n\n\
         In the images:\n"
    );
    let sources = sources(inputs.plan);
    let (inside, tools): (Vec<_>, Vec<_>) = sources
        .iter()
        .partition(|(_, (step, _))| is_contained(inputs.plan, step));
    let list = |text: &mut String,
                part: &[(&&str, &(&plan::step::Step, &plan::source::Source))]| {
        for (file, (step, _)) in part {
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                text,
                "    {} {}, {}\n        ../sources/{file}",
                step.recipe, step.version, step.license
            );
        }
    };
    list(&mut text, &inside);
    text.push_str("\nIn the tools that built them:\n");
    list(&mut text, &tools);
    let _ = write!(
        text,
        "\nThe init, the build scripts, configurations and patches are in the bundle, from commit\n{}.\n\n\
         There is no warranty, to the extent the law permits.\n",
        inputs.commit
    );
    text
}

/// How to build from the source bundle alone. Also part of the bundle.
pub(crate) fn build(version: &str) -> String {
    const RUST: &str = env!("CARGO_PKG_RUST_VERSION");
    let release = name(version);
    format!(
        "# Build {release} from its source\n\n\
         You need `{release}-source.tar` and a Linux host with a C and C++ compiler, a Rust toolchain\n\
         ({RUST} or later) and the tools that `repository/images/host-tools.toml` lists. The build does not\n\
         use the network.\n\n\
         ```console\n\
         $ tar xf {release}-source.tar && cd {release}-source/repository\n\
         $ export KILN_STORE=$PWD/../store KILN_MIRROR=file://$(cd .. && pwd)\n\
         $ cargo run --frozen --package xtask -- setup --for build\n\
         $ cargo run --frozen --package xtask -- --offline images --from-source --verify\n\
         ```\n\n\
         `setup` lists the tools that the host lacks and prints the commands that install them. `images`\n\
         builds the compilers, the kernels and everything else in an empty store. It prints `equal` for each\n\
         image whose digests are those in `repository/images/images.lock`, which are those of this release.\n\
         The build takes most of an hour on two cores and about 8 GB of disk in addition to the bundle;\n\
         `--arch A` builds for one architecture.\n\n\
         In a checkout of Kiln, `cargo xtask verify-release DIR` runs these steps and compares the images with\n\
         the files of the release.\n\n\
         | directory | contents |\n\
         |---|---|\n\
         | `sources/` | the source archives as downloaded; the recipes list their URLs |\n\
         | `blobs/` | links to the source archives, named by SHA-256 |\n\
         | `repository/` | recipes, patches, configurations, the guest's init, and the build program |\n\
         | `vendor/` | the Rust crates that the program needs, each with its licence |\n"
    )
}

/// `SHA256SUMS` of all files in the folder of a release so far.
pub(crate) fn sums(release: &str, files: &[PublishedFile]) -> String {
    let folder = format!("{release}/");
    let mut lines: Vec<(&str, String)> = files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix(&folder)?, &file.content)))
        .map(|(path, content)| (path, format!("{}  {path}\n", content.digest())))
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Parses `SHA256SUMS` into digests by path.
pub(crate) fn parse_sums(text: &str) -> Option<Vec<(plan::digest::Digest, &str)>> {
    text.lines()
        .map(|line| {
            let (digest, path) = line.split_once("  ")?;
            Some((digest.parse().ok()?, path))
        })
        .collect()
}

/// A list for download managers (RFC 5854), without files that have no known URL.
pub(crate) fn metalink(inputs: &Inputs<'_>, release: &str, files: &[PublishedFile]) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n",
    );
    let sources = sources(inputs.plan);
    let folder = format!("{release}/");
    for file in files.iter().filter(|file| file.phase != Phase::Blobs) {
        let path = file.path.strip_prefix(&folder).unwrap_or(&file.path);
        let base = inputs.url.map(|url| url.trim_end_matches('/'));
        let mut urls: Vec<String> = base
            .map(|base| format!("{base}/{}", file.path))
            .into_iter()
            .collect();
        if let Some((_, source)) = file
            .path
            .strip_prefix("sources/")
            .and_then(|name| sources.get(name))
        {
            urls.extend(source.pin.urls().map(str::to_owned));
        }
        if urls.is_empty() {
            continue;
        }
        let _ = write!(
            text,
            "  <file name=\"{}\">\n    <size>{}</size>\n    <hash type=\"sha-256\">{}</hash>\n",
            escaped(path),
            file.content.size(),
            file.content.digest()
        );
        for url in urls {
            let _ = writeln!(text, "    <url>{}</url>", escaped(&url));
        }
        text.push_str("  </file>\n");
    }
    text.push_str("</metalink>\n");
    text
}

/// Escapes text for XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The web page at the base of a tree.
pub(crate) fn page(index: &crate::index::Index) -> String {
    let releases: Vec<_> = index
        .releases()
        .into_iter()
        .rev()
        .map(|release| {
            let images = index
                .manifests
                .iter()
                .filter(|entry| entry.release() == release && entry.is_image());
            let arches: Vec<_> = images
                .filter_map(|entry| entry.annotations.get(crate::index::ARCH))
                .collect();
            serde_json::json!({"name": release, "arches": arches})
        })
        .collect();
    let facts = serde_json::json!({
        "releases": releases, "serial": index.serial(),
        "expires": index.expires().map(host::clock::rfc3339),
    });
    plan::template::page("index", PAGE, &facts).unwrap_or_default()
}

const PAGE: &str = include_str!("index.html.hbs");
