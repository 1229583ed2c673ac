//! Rules for the names, links and types in an archive. Pure: no file is accessed.
//!
//! No entry is below a link, and links are created after everything else, so no write can pass
//! through one. The target of a link is resolved through the archive's other links.

use std::collections::{HashMap, VecDeque};

use crate::error::Refusal;

/// Longest name, in bytes.
const LONGEST: usize = 1024;
/// The kernel's limit (`MAXSYMLINKS`, include/linux/namei.h).
const HOPS: usize = 40;

/// The type of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// A directory that only exists because an entry is inside it.
    Implied,
    Link(String),
}

/// The names of an archive so far.
#[derive(Debug)]
pub(crate) struct Names {
    kinds: HashMap<String, Kind>,
    /// Names by their folded form, if names may not differ only in case.
    folded: Option<HashMap<String, String>>,
    /// The directory of the previous entry, which was checked.
    last_parent: String,
}

/// Splits and cleans a name and drops `strip` components. `None` if nothing is left.
pub(crate) fn clean(raw: &[u8], strip: usize) -> Result<Option<String>, Refusal> {
    if raw.is_empty() {
        return Err(Refusal::NoName);
    }
    if raw.len() > LONGEST {
        return Err(Refusal::TooLong(LONGEST));
    }
    if raw.iter().any(u8::is_ascii_control) {
        return Err(Refusal::Control);
    }
    let text = str::from_utf8(raw).map_err(|_| Refusal::NotUtf8)?;
    if text.starts_with('/') {
        return Err(Refusal::Absolute);
    }
    if text.split('/').any(|part| part == "..") {
        return Err(Refusal::Parent);
    }
    let parts = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let parts: Vec<&str> = parts.skip(strip).collect();
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

impl Names {
    pub(crate) fn new(case_sensitive: bool) -> Self {
        Self {
            kinds: HashMap::new(),
            folded: (!case_sensitive).then(HashMap::new),
            last_parent: String::new(),
        }
    }

    /// The type of `name`.
    pub(crate) fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// The number of names, including implied directories.
    pub(crate) fn count(&self) -> u64 {
        self.kinds.len() as u64
    }

    /// Adds a name. Returns its new parent directories, the highest first.
    pub(crate) fn claim(&mut self, name: &str, kind: Kind) -> Result<Vec<String>, Refusal> {
        let above = self.claim_above(name)?;
        match (self.kinds.get(name), &kind) {
            (None, _) => self.enter(name, kind)?,
            (Some(Kind::Implied), Kind::Directory) => {
                self.kinds.insert(name.to_owned(), kind);
            }
            (Some(_), _) => return Err(Refusal::Duplicate),
        }
        Ok(above)
    }

    fn claim_above(&mut self, name: &str) -> Result<Vec<String>, Refusal> {
        let mut new = Vec::new();
        let Some((parent, _)) = name.rsplit_once('/') else {
            return Ok(new);
        };
        if parent == self.last_parent {
            return Ok(new);
        }
        let ends = parent
            .match_indices('/')
            .map(|(end, _)| end)
            .chain([parent.len()]);
        for directory in ends.map(|end| &parent[..end]) {
            match self.kinds.get(directory) {
                Some(Kind::Directory | Kind::Implied) => {}
                Some(Kind::File) => return Err(Refusal::BelowFile(directory.to_owned())),
                Some(Kind::Link(_)) => return Err(Refusal::BelowLink(directory.to_owned())),
                None => {
                    self.enter(directory, Kind::Implied)?;
                    new.push(directory.to_owned());
                }
            }
        }
        parent.clone_into(&mut self.last_parent);
        Ok(new)
    }

    fn enter(&mut self, name: &str, kind: Kind) -> Result<(), Refusal> {
        if let Some(folded) = &mut self.folded
            && let Some(other) = folded.insert(name.to_lowercase(), name.to_owned())
        {
            return Err(Refusal::FoldedDuplicate(other));
        }
        self.kinds.insert(name.to_owned(), kind);
        Ok(())
    }

    /// All symbolic links with their targets, sorted, after a check of each target.
    pub(crate) fn links(&self) -> Result<Vec<(&str, &str)>, (String, Refusal)> {
        let mut links: Vec<(&str, &str)> = self
            .kinds
            .iter()
            .filter_map(|(name, kind)| match kind {
                Kind::Link(target) => Some((name.as_str(), target.as_str())),
                _ => None,
            })
            .collect();
        links.sort_unstable();
        for (name, target) in &links {
            self.follow(name, target)
                .map_err(|why| ((*name).to_owned(), why))?;
        }
        Ok(links)
    }

    fn follow(&self, name: &str, target: &str) -> Result<(), Refusal> {
        let outside = || Refusal::LinkOutside(target.to_owned());
        let mut place: Vec<&str> = name.split('/').collect();
        place.pop();
        let mut ahead: VecDeque<&str> = VecDeque::new();
        let mut hops = 0;
        let mut link = Some(target);
        loop {
            if let Some(target) = link.take() {
                hops += 1;
                if hops > HOPS {
                    return Err(Refusal::LinkLoop);
                }
                if target.is_empty() || target.starts_with('/') {
                    return Err(outside());
                }
                target.rsplit('/').for_each(|part| ahead.push_front(part));
            }
            match ahead.pop_front() {
                None => return Ok(()),
                Some("" | ".") => {}
                Some("..") => {
                    place.pop().ok_or_else(outside)?;
                }
                Some(part) => {
                    place.push(part);
                    if let Some(Kind::Link(target)) = self.kinds.get(&place.join("/")) {
                        place.pop();
                        link = Some(target);
                    }
                }
            }
        }
    }
}
