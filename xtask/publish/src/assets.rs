//! `ASSETS.json` and `ASSETS.md`: what tests of other projects need to boot the images of a
//! release. For each machine they list the files with digest and URL, QEMU's arguments, and the
//! prompt of the guest.

use std::fmt::Write as _;

use plan::arch::{Arch, Machine};
use plan::digest::Digest;
use serde::Serialize;

use crate::draft::blob_path;
use crate::index::json;
use crate::inputs::{Blob, Inputs, name};

/// Version of the format of `ASSETS.json`.
const SCHEMA: u32 = 1;
/// The kernel parameter that starts a shell on the console.
const SHELL: &str = "kiln.shell";
/// The prompt of that shell.
const PROMPT: &str = "~ # ";

/// `ASSETS.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Assets {
    schema: u32,
    release: String,
    /// The bundle of the complete corresponding source.
    source: Asset,
    machines: Vec<BootFacts>,
}

/// A file of the release.
#[derive(Debug, Serialize)]
struct Asset {
    /// Path relative to the base of the tree.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    sha256: Digest,
    size: u64,
}

/// How one machine boots the image.
#[derive(Debug, Serialize)]
struct BootFacts {
    arch: String,
    machine: String,
    qemu: String,
    /// QEMU's arguments without `-kernel`, `-initrd`, `-dtb` and `-append`.
    arguments: Vec<String>,
    append: String,
    kernel: Asset,
    initramfs: Asset,
    /// The argument of `-dtb`, where QEMU has no device tree of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_tree: Option<Asset>,
    /// The prompt of the waiting shell.
    prompt: &'static str,
}

impl Assets {
    pub(crate) fn of(inputs: &Inputs<'_>) -> Self {
        let base = inputs.url.map(|url| url.trim_end_matches('/'));
        let asset = |blob: &Blob| {
            let path = blob_path(&blob.digest);
            Asset {
                url: base.map(|base| format!("{base}/{path}")),
                path,
                sha256: blob.digest,
                size: blob.size,
            }
        };
        let images = inputs.images.iter().filter_map(|(arch, files)| {
            let arch = inputs.project.arches.get(arch)?;
            Some((
                arch,
                files,
                files.get("kernel")?,
                files.get("initramfs.cpio")?,
            ))
        });
        let machines = images.flat_map(|(arch, files, kernel, initramfs)| {
            let profile = &arch.qemu;
            profile.machines.iter().map(move |(id, machine)| BootFacts {
                arch: arch.name.clone(),
                machine: id.clone(),
                qemu: profile.binary.clone(),
                arguments: arguments(arch, machine),
                append: format!("{} {SHELL}", profile.append_for(machine)),
                kernel: asset(kernel),
                initramfs: asset(initramfs),
                device_tree: files.get("device-tree").map(asset),
                prompt: PROMPT,
            })
        });
        Self {
            schema: SCHEMA,
            release: name(inputs.version),
            source: asset(inputs.bundle),
            machines: machines.collect(),
        }
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        json(self)
    }

    /// The same facts in Markdown, with command lines to paste.
    pub(crate) fn markdown(&self) -> String {
        let release = &self.release;
        let mut text = format!(
            "# Boot the images of {release}\n\n\
             `ASSETS.json` has the same facts for programs. The addresses never change their content.\n\
             Each command boots to a shell on the serial console: wait for the prompt `{PROMPT}`.\n\n\
             The complete corresponding source of every binary is published in the same tree, as section 3(a) of\n\
             the GNU General Public License, version 2, asks: the archives as their authors released them, and\n\
             `{release}-source.tar` (SHA-256 {}), which has them with the patches, configurations and scripts\n\
             that control the build. Who publishes a copy of a binary publishes this file too.\n",
            self.source.sha256
        );
        for facts in &self.machines {
            let BootFacts {
                arch,
                machine,
                qemu,
                append,
                ..
            } = facts;
            let arguments = facts.arguments.join(" ");
            // Writing to a `String` cannot fail.
            let _ = write!(text, "\n## {arch}, {machine}\n\n");
            let files = [("kernel", &facts.kernel), ("initramfs", &facts.initramfs)];
            let device_tree = facts.device_tree.as_ref();
            let device_tree = device_tree.map(|asset| ("device tree", asset));
            for (file, asset) in files.into_iter().chain(device_tree) {
                let address = asset.url.as_ref().unwrap_or(&asset.path);
                let _ = writeln!(text, "- {file}: <{address}>, SHA-256 `{}`", asset.sha256);
            }
            let device_tree = match device_tree {
                Some(_) => format!(" -dtb {arch}/device-tree"),
                None => String::new(),
            };
            let _ = write!(
                text,
                "\n```console\n\
                 $ {qemu} {arguments} -nographic -no-reboot \\\n    \
                 -kernel {arch}/kernel -initrd {arch}/initramfs.cpio{device_tree} \\\n    \
                 -append '{append}'\n\
                 ```\n"
            );
        }
        text
    }
}

/// QEMU's arguments for a machine under TCG.
fn arguments(arch: &Arch, machine: &Machine) -> Vec<String> {
    let options = machine.options.iter().chain(&machine.tcg_options);
    let mut name = machine.name.clone();
    for option in options {
        name.push(',');
        name.push_str(option);
    }
    let pair = |option: &str, value: &str| [option.to_owned(), value.to_owned()];
    let mut arguments = Vec::from(pair("-machine", &name));
    if let Some(cpu) = &machine.cpu {
        arguments.extend(pair("-cpu", cpu));
    }
    arguments.extend(pair("-m", &arch.qemu.memory));
    arguments.extend(machine.args.iter().cloned());
    arguments
}
