//! Copies files of earlier steps into one directory: the contents of an image.
//!
//! `build` uses it for [`plan::step::Action::Gather`], and `initramfs` to find files.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use plan::step::InputFile;

/// Output trees of a step's inputs, by recipe.
pub type Inputs = BTreeMap<String, Utf8PathBuf>;

/// A file of an input does not match the plan.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The step has no such input.
    #[error("unknown input `{0}` of this step")]
    NoInput(String),
    /// The input has no such file.
    #[error("`{recipe}` did not write `{path}`")]
    NoFile {
        /// The input's recipe.
        recipe: String,
        /// Path in its output tree.
        path: String,
    },
    /// The file system failed. The message names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl GatherError {
    /// The advice that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile { recipe, path } => Some(format!(
                "make recipes/{recipe}/build.sh.hbs write `{path}` into $OUT"
            )),
            Self::NoInput(_) | Self::Io(_) => None,
        }
    }
}

/// Copies the files into `out`, all with mode 0644, because an image's files are data.
pub fn gather(
    files: &BTreeMap<String, InputFile>,
    inputs: &Inputs,
    out: &Utf8Path,
) -> Result<(), GatherError> {
    for (name, file) in files {
        let target = out.join(name);
        if let Some(parent) = target.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::copy(locate(file, inputs)?, &target)?;
        fs_err::set_permissions(&target, std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// The path of a file of an input.
pub(crate) fn locate(file: &InputFile, inputs: &Inputs) -> Result<Utf8PathBuf, GatherError> {
    let tree = inputs
        .get(&file.recipe)
        .ok_or_else(|| GatherError::NoInput(file.recipe.clone()))?;
    let path = tree.join(&file.path);
    if path.is_file() {
        return Ok(path);
    }
    Err(GatherError::NoFile {
        recipe: file.recipe.clone(),
        path: file.path.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Trees {
        _scratch: tempfile::TempDir,
        inputs: Inputs,
        out: Utf8PathBuf,
    }

    fn trees() -> Trees {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(scratch.path().to_owned()).unwrap();
        fs_err::create_dir_all(root.join("linux/boot")).unwrap();
        fs_err::create_dir(root.join("out")).unwrap();
        fs_err::write(root.join("linux/boot/vmlinux"), "kernel").unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(root.join("linux/boot/vmlinux"), mode).unwrap();
        let inputs = [("linux".to_owned(), root.join("linux"))].into();
        Trees {
            _scratch: scratch,
            inputs,
            out: root.join("out"),
        }
    }

    fn single(name: &str, recipe: &str, path: &str) -> BTreeMap<String, InputFile> {
        let file = InputFile {
            recipe: recipe.to_owned(),
            path: path.to_owned(),
        };
        [(name.to_owned(), file)].into()
    }

    #[test]
    fn renamed_files_arrive_as_data() {
        let trees = trees();
        gather(
            &single("kernel", "linux", "boot/vmlinux"),
            &trees.inputs,
            &trees.out,
        )
        .unwrap();
        assert_eq!(fs_err::read(trees.out.join("kernel")).unwrap(), b"kernel");
        let mode = fs_err::metadata(trees.out.join("kernel"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o644);
    }

    #[test]
    fn missing_inputs_and_files_are_named() {
        let check = |recipe: &str, path: &str, expect: &str, hint: Option<&str>| {
            let trees = trees();
            let error =
                gather(&single("kernel", recipe, path), &trees.inputs, &trees.out).unwrap_err();
            assert_eq!(error.to_string(), expect);
            assert_eq!(error.hint().as_deref(), hint);
        };
        let hint = "make recipes/linux/build.sh.hbs write `Image` into $OUT";
        check(
            "linux",
            "Image",
            "`linux` did not write `Image`",
            Some(hint),
        );
        let hint = "make recipes/linux/build.sh.hbs write `boot` into $OUT";
        check("linux", "boot", "`linux` did not write `boot`", Some(hint));
        check(
            "busybox",
            "busybox",
            "unknown input `busybox` of this step",
            None,
        );
    }
}
