//! Frozen outputs, which must equal a committed file byte for byte, such as the full kernel config.

use camino::{Utf8Path, Utf8PathBuf};
use plan::step::{Frozen, Step};

use super::error::StepError;

/// Maximum number of lines of a diff.
const SHOWN: usize = 40;

/// Compares the frozen outputs of a built step. The error shows the first difference.
pub(super) fn check(step: &Step, out: &Utf8Path) -> Result<(), StepError> {
    let Some((frozen, made)) = changed(step, out)?.into_iter().next() else {
        return Ok(());
    };
    let diff = difference(frozen, &made);
    let (path, arch) = (frozen.path.clone(), step.arch.clone());
    Err(StepError::Frozen {
        output: frozen.output.clone(),
        path,
        arch,
        diff,
    })
}

/// The frozen outputs that differ from the committed files, with their new content.
pub(super) fn changed<'a>(
    step: &'a Step,
    out: &Utf8Path,
) -> Result<Vec<(&'a Frozen, Vec<u8>)>, StepError> {
    let mut changed = Vec::new();
    for frozen in &step.frozen {
        let file: Utf8PathBuf = out.join(&frozen.output);
        let made = fs_err::read(&file).map_err(|source| StepError::NoFrozenOutput {
            output: frozen.output.clone(),
            source,
        })?;
        if frozen.content.as_ref() != Some(&made) {
            changed.push((frozen, made));
        }
    }
    Ok(changed)
}

/// The first lines of a unified diff from the committed to the new content.
fn difference(frozen: &Frozen, made: &[u8]) -> String {
    let committed = frozen.content.as_deref().unwrap_or_default();
    let (Ok(committed), Ok(made)) = (std::str::from_utf8(committed), std::str::from_utf8(made))
    else {
        let place = inspect::compare::first_difference_in(committed, made);
        return place.map(|place| place.to_string()).unwrap_or_default();
    };
    let mut options = diffy::DiffOptions::new();
    let name = if frozen.content.is_some() {
        frozen.path.as_str()
    } else {
        "/dev/null"
    };
    options.set_original_filename(name.to_owned());
    options.set_modified_filename(frozen.output.clone());
    let text = options.create_patch(committed, made).to_string();
    let mut lines: Vec<_> = text.lines().take(SHOWN).map(str::to_owned).collect();
    let more = text.lines().count().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("({more} more lines)"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_difference(committed: Option<&[u8]>, made: &[u8], expect: &str) {
        let frozen = Frozen {
            output: "config".to_owned(),
            path: "images/x/linux.config".into(),
            content: committed.map(<[u8]>::to_vec),
        };
        assert_eq!(difference(&frozen, made), expect);
    }

    #[test]
    fn difference_is_unified_and_cut() {
        check_difference(
            Some(b"A=y\nB=y\nC=y\n"),
            b"A=y\nB=n\nC=y\n",
            "--- images/x/linux.config\n+++ config\n@@ -1,3 +1,3 @@\n A=y\n-B=y\n+B=n\n C=y",
        );
        check_difference(
            None,
            b"A=y\n",
            "--- /dev/null\n+++ config\n@@ -0,0 +1 @@\n+A=y",
        );
        check_difference(Some(b"\xff\x00"), b"\xff\x01", "byte 0x1: 00 / 01");
        let long = "A=y\n".repeat(50);
        let frozen = Frozen {
            output: "config".to_owned(),
            path: "images/x/linux.config".into(),
            content: Some(Vec::new()),
        };
        let shown = difference(&frozen, long.as_bytes());
        assert_eq!(shown.lines().count(), 41);
        assert!(shown.ends_with("(13 more lines)"), "{shown}");
    }
}
