//! Applies unified diffs to a tree, with `-p1`. A source is pinned, so a hunk must match at exactly
//! its lines, without fuzz or offset. A patched file keeps its time. Otherwise files generated from
//! it would be regenerated with the host's tools.

use std::io;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use diffy::{Hunk, Line};
use fs_err as fs;
use plan::source::Patch;

use crate::error::{Mismatch, PatchError, Refusal};
use crate::extract::Times;
use crate::names::clean;

const NOTHING: &[u8] = b"/dev/null";

/// The part of a patch for one file.
#[derive(Debug, PartialEq, Eq)]
struct Section<'a> {
    text: &'a str,
    /// From `new file mode` or `new mode`.
    executable: Option<bool>,
}

/// Applies one patch to the tree at `root`.
pub(crate) fn apply(root: &Utf8Path, patch: &Patch, times: &Times) -> Result<(), PatchError> {
    let malformed = |why: String| PatchError::Malformed {
        patch: patch.path.clone(),
        why,
    };
    let sections = split(&patch.text).map_err(malformed)?;
    if sections.is_empty() {
        return Err(malformed("it changes nothing".to_owned()));
    }
    sections
        .iter()
        .try_for_each(|section| apply_section(root, patch, section, times))
}

fn apply_section(
    root: &Utf8Path,
    patch: &Patch,
    section: &Section<'_>,
    times: &Times,
) -> Result<(), PatchError> {
    let diff = diffy::Patch::from_bytes(section.text.as_bytes()).map_err(|error| {
        PatchError::Malformed {
            patch: patch.path.clone(),
            why: error.to_string(),
        }
    })?;
    let old = diff.original().unwrap_or(NOTHING);
    let new = diff.modified().unwrap_or(NOTHING);
    let raw = if new == NOTHING { old } else { new };
    let shown = String::from_utf8_lossy(raw).into_owned();
    let fail = |file: &str, why: String| PatchError::File {
        patch: patch.path.clone(),
        file: file.to_owned(),
        why,
    };
    let name = clean(raw, 1)
        .and_then(|name| name.ok_or(Refusal::NoName))
        .map_err(|why| fail(&shown, why.to_string()))?;
    let target = root.join(&name);
    let failed = |error: io::Error| fail(&name, error.to_string());
    if let Some(link) = link_on_the_way(root, &name) {
        return Err(fail(&name, format!("is behind the symbolic link `{link}`")));
    }
    let exists = target.is_file();
    let makes = diff
        .hunks()
        .iter()
        .all(|hunk| hunk.old_range().start() == 0 && hunk.old_range().is_empty());
    match (exists, makes) {
        (true, true) if old == NOTHING => return Err(fail(&name, "already exists".to_owned())),
        (false, false) => return Err(fail(&name, "does not exist".to_owned())),
        _ => {}
    }
    let (before, time) = if exists {
        let time = fs::metadata(&target)
            .and_then(|metadata| metadata.modified())
            .map_err(failed)?;
        (fs::read(&target).map_err(failed)?, time)
    } else {
        (
            Vec::new(),
            times.of(name.rsplit_once('/').map_or("", |(parent, _)| parent)),
        )
    };
    let after = patched(&before, diff.hunks()).map_err(|why| PatchError::Hunk {
        patch: patch.path.clone(),
        file: name.clone(),
        why: Box::new(why),
    })?;
    if new == NOTHING {
        if !after.is_empty() {
            return Err(fail(
                &name,
                "is removed by the patch, but has more content".to_owned(),
            ));
        }
        return fs::remove_file(&target).map_err(failed);
    }
    let put = || -> io::Result<()> {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&target, &after)?;
        let file = fs::OpenOptions::new().write(true).open(&target)?;
        let new_file_mode = (!exists).then_some(false);
        if let Some(executable) = section.executable.or(new_file_mode) {
            let mode = if executable { 0o755 } else { 0o644 };
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        }
        file.set_modified(time)
    };
    put().map_err(failed)
}

fn link_on_the_way(root: &Utf8Path, name: &str) -> Option<Utf8PathBuf> {
    let mut path = root.to_owned();
    name.split('/').find_map(|part| {
        path.push(part);
        let link = path
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_symlink());
        link.then(|| path.strip_prefix(root).unwrap_or(&path).to_owned())
    })
}

fn patched(before: &[u8], hunks: &[Hunk<'_, [u8]>]) -> Result<Vec<u8>, Mismatch> {
    let lines: Vec<&[u8]> = before.split_inclusive(|byte| *byte == b'\n').collect();
    let mut after = Vec::with_capacity(before.len());
    let mut done = 0;
    for (index, hunk) in hunks.iter().enumerate() {
        let place = replaced_lines(hunk);
        if let Some((line, expected)) = first_mismatch(&lines, &old_lines(hunk), place.start) {
            return Err(Mismatch {
                hunk: index + 1,
                line: line + 1,
                expected: shown(expected),
                found: lines.get(line).map(|line| shown(line)),
                elsewhere: nearest(&lines, &old_lines(hunk), place.start).map(|line| line + 1),
            });
        }
        after.extend(lines[done..place.start].iter().copied().flatten());
        after.extend(
            hunk.lines()
                .iter()
                .filter_map(|line| match line {
                    Line::Context(text) | Line::Insert(text) => Some(*text),
                    Line::Delete(_) => None,
                })
                .flatten(),
        );
        done = place.end;
    }
    after.extend(lines[done..].iter().copied().flatten());
    Ok(after)
}

/// The lines that a hunk replaces, from 0.
fn replaced_lines(hunk: &Hunk<'_, [u8]>) -> Range<usize> {
    let old = hunk.old_range();
    // A hunk that only inserts lines refers to the line before them.
    let start = if old.is_empty() {
        old.start()
    } else {
        old.start().saturating_sub(1)
    };
    start..start + old.len()
}

fn old_lines<'a>(hunk: &Hunk<'a, [u8]>) -> Vec<&'a [u8]> {
    let old = hunk.lines().iter().filter_map(|line| match line {
        Line::Context(text) | Line::Delete(text) => Some(*text),
        Line::Insert(_) => None,
    });
    old.collect()
}

fn first_mismatch<'a>(
    lines: &[&[u8]],
    expected: &[&'a [u8]],
    start: usize,
) -> Option<(usize, &'a [u8])> {
    if start > lines.len() {
        return Some((start, b""));
    }
    let numbered = expected
        .iter()
        .enumerate()
        .map(|(index, line)| (start + index, *line));
    numbered
        .into_iter()
        .find(|(line, expected)| lines.get(*line) != Some(expected))
}

fn nearest(lines: &[&[u8]], expected: &[&[u8]], start: usize) -> Option<usize> {
    if expected.is_empty() {
        return None;
    }
    let matching = lines
        .windows(expected.len())
        .enumerate()
        .filter(|(_, window)| *window == expected);
    matching
        .map(|(line, _)| line)
        .min_by_key(|line| line.abs_diff(start))
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .trim_end_matches('\n')
        .escape_debug()
        .to_string()
}

/// Splits a patch into the parts per file. Counts lines inside a hunk, so a removed line that
/// begins with `-- ` is not taken for a header.
fn split(text: &str) -> Result<Vec<Section<'_>>, String> {
    let mut sections = Vec::new();
    let mut lines = Lines { text, at: 0 };
    let mut executable = None;
    while let Some(line) = lines.peek() {
        if line.starts_with("--- ")
            && lines
                .after(line)
                .is_some_and(|next| next.starts_with("+++ "))
        {
            let start = lines.at;
            lines.skip();
            lines.skip();
            while lines.peek().is_some_and(|line| line.starts_with("@@ ")) {
                skip_hunk(&mut lines)?;
            }
            let section = Section {
                text: &text[start..lines.at],
                executable: executable.take(),
            };
            sections.push(section);
            continue;
        }
        if line.starts_with("diff --git ") {
            executable = None;
        } else if let Some(mode) = line
            .strip_prefix("new file mode ")
            .or_else(|| line.strip_prefix("new mode "))
        {
            executable = Some(mode.trim_end() == "100755");
        } else if ["rename from ", "copy from ", "GIT binary patch"]
            .iter()
            .any(|it| line.starts_with(it))
        {
            return Err(format!("`{}` is not supported", line.trim_end()));
        } else if line.starts_with("@@ -") {
            return Err("a hunk precedes every file header".to_owned());
        }
        lines.skip();
    }
    Ok(sections)
}

struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.text[self.at..].split_inclusive('\n').next()
    }

    fn after(&self, line: &str) -> Option<&'a str> {
        self.text[self.at + line.len()..]
            .split_inclusive('\n')
            .next()
    }

    fn skip(&mut self) {
        self.at += self.peek().map_or(0, str::len);
    }
}

fn skip_hunk(lines: &mut Lines<'_>) -> Result<(), String> {
    let header = lines.peek().unwrap_or_default().trim_end().to_owned();
    let wrong =
        || format!("`{header}` is not a valid hunk header, or the hunk has a different length");
    let mut ranges = header.split(' ').skip(1).map(|range| {
        let (_, length) = range.split_once(',').unwrap_or(("", "1"));
        length.parse::<usize>().ok()
    });
    let (mut old, mut new) = ranges
        .next()
        .flatten()
        .zip(ranges.next().flatten())
        .ok_or_else(wrong)?;
    lines.skip();
    while old > 0 || new > 0 {
        let (less_old, less_new) = match lines.peek().and_then(|line| line.chars().next()) {
            Some(' ' | '\n') => (1, 1),
            Some('-') => (1, 0),
            Some('+') => (0, 1),
            Some('\\') => (0, 0),
            _ => return Err(wrong()),
        };
        old = old.checked_sub(less_old).ok_or_else(wrong)?;
        new = new.checked_sub(less_new).ok_or_else(wrong)?;
        lines.skip();
    }
    if lines.peek().is_some_and(|line| line.starts_with('\\')) {
        lines.skip();
    }
    Ok(())
}
