//! Steps and plans: a step contains everything that one build action depends on, and a plan orders
//! steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize, Serializer};

use crate::digest::{BuildKey, Digest};
use crate::source::Source;

/// Variables in the environment of every script, which no recipe can set.
pub(crate) const FIXED_VARIABLES: [&str; 13] = [
    "SRC",
    "IN",
    "FILES",
    "BUILD",
    "OUT",
    "TC",
    "LC_ALL",
    "TZ",
    "SOURCE_DATE_EPOCH",
    "HOME",
    "PATH",
    "MAKEFLAGS",
    "PWD",
];

/// The recipe of the images that Kiln's guests boot.
pub const IMAGE: &str = "image";
/// The recipe of the guests without an operating system.
pub const BARE: &str = "bare";

/// The index of a step in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StepId(pub usize);

/// Steps in an order in which each follows its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Inputs first.
    pub steps: Vec<Step>,
}

/// One action and everything it depends on. Its key is a function of this struct alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Recipe name, such as `gcc`.
    pub recipe: String,
    /// Version of what is built.
    pub version: String,
    /// SPDX licence expression of the recipe.
    pub license: String,
    /// The architecture, or `None` if one step serves all of them.
    pub arch: Option<String>,
    /// Whether the output may depend on the host's compiler.
    pub product: Product,
    /// The action.
    pub action: Action,
    /// Archives, unpacked and patched.
    pub sources: Vec<Source>,
    /// Outputs of earlier steps.
    pub inputs: Vec<Input>,
    /// Files of the repository, by content: mounted as `/files/<name>`.
    #[serde(serialize_with = "file_digests")]
    pub files: BTreeMap<String, Vec<u8>>,
    /// Outputs that must equal a file of the repository.
    pub frozen: Vec<Frozen>,
    /// The identity of all of this: see [`crate::key::of`].
    pub key: BuildKey,
}

impl Plan {
    /// The step that makes the image of an architecture, which is that of the recipe `image`.
    #[must_use]
    pub fn image(&self, arch: &str) -> Option<&Step> {
        self.find(IMAGE, Some(arch)).map(|id| self.step(id))
    }

    /// The step of a recipe for an architecture, or for all of them.
    #[must_use]
    pub fn find(&self, recipe: &str, arch: Option<&str>) -> Option<StepId> {
        self.ids().find(|id| {
            let step = self.step(*id);
            step.recipe == recipe && step.arch.as_deref() == arch
        })
    }

    /// Returns a step.
    ///
    /// # Panics
    ///
    /// If the id is from another plan and this one is shorter.
    #[must_use]
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.0]
    }

    /// All ids, inputs first.
    pub fn ids(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..self.steps.len()).map(StepId)
    }

    /// A step and all its direct and indirect inputs. Inputs come first, and the step itself is
    /// last.
    #[must_use]
    pub fn closure(&self, id: StepId) -> Vec<StepId> {
        let mut needed = BTreeSet::from([id]);
        let mut unseen = vec![id];
        while let Some(next) = unseen.pop() {
            let inputs = self.step(next).inputs.iter().map(|input| input.step);
            unseen.extend(inputs.filter(|input| needed.insert(*input)));
        }
        needed.into_iter().collect()
    }
}

impl fmt::Display for Step {
    /// `linux (ppc64)`, or `gmp` if one step serves all architectures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.arch {
            Some(arch) => write!(f, "{} ({arch})", self.recipe),
            None => f.write_str(&self.recipe),
        }
    }
}

/// What an output depends on in addition to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Compiled by the host's compiler: the store entry is named by key and host.
    Toolchain,
    /// The same bytes on every host.
    Image,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Runs a rendered shell script in the sandbox.
    Script(Script),
    /// Writes an initramfs (`initramfs.cpio`) from entries.
    Initramfs(Vec<InitramfsEntry>),
    /// Gathers files from the inputs: the image's directory. File name to (input recipe, path).
    Gather(BTreeMap<String, InputFile>),
}

/// A script and everything that its process sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Script {
    /// The rendered template, run as `sh -eu`.
    pub text: String,
    /// The whole environment, apart from the job server's `MAKEFLAGS`.
    pub env: BTreeMap<String, String>,
    /// Host tools on PATH, sorted.
    pub tools: Vec<String>,
    /// Fixed path of the toolchain, `/tc/<triple>`, if the step has an architecture.
    pub toolchain_path: Option<String>,
}

/// One entry of the initramfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitramfsEntry {
    /// Path without the leading slash; empty for `Links`, whose list has the paths.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Its type and content.
    pub kind: InitramfsKind,
}

/// The type and content of an initramfs entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitramfsKind {
    /// An empty directory.
    Directory,
    /// A file with these bytes.
    Text(String),
    /// A file from an input's output tree.
    File(InputFile),
    /// A symbolic link to this target.
    Symlink(String),
    /// A character device, major and minor.
    CharDevice(u32, u32),
    /// Symbolic links to `target`, one for each absolute path in the list, which has one per line.
    Links {
        /// The list.
        list: InputFile,
        /// The target of the links.
        target: String,
    },
}

/// A file in the output tree of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// Recipe name of the input.
    pub recipe: String,
    /// Path in its output tree.
    pub path: String,
}

/// An earlier step whose output this one reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    /// The step.
    pub step: StepId,
    /// Its recipe's name.
    pub recipe: String,
    /// Its key.
    pub key: BuildKey,
    /// The mount point of its output tree in the sandbox.
    pub mount: Mount,
}

/// The mount point of an input in the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mount {
    /// `/in/<recipe>`
    In,
    /// `/tc/<triple>`
    Toolchain,
}

/// An output that must equal a committed file byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frozen {
    /// Path in the output tree.
    pub output: String,
    /// Path in the repository.
    pub path: Utf8PathBuf,
    /// The content in the repository, or `None` if the file does not exist yet.
    #[serde(serialize_with = "content_digest")]
    pub content: Option<Vec<u8>>,
}

/// Serialises contents as digests.
fn file_digests<S: Serializer>(
    files: &BTreeMap<String, Vec<u8>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        files
            .iter()
            .map(|(name, content)| (name, Digest::of(content))),
    )
}

#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the field"
)]
fn content_digest<S: Serializer>(
    content: &Option<Vec<u8>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    content.as_deref().map(Digest::of).serialize(serializer)
}
