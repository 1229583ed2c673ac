//! Checks that no output of a step identifies the machine it was built on.
//!
//! A name may be a common word: busybox contains `debian`, which may also be a host name. Therefore
//! a name counts only if it does not occur in the step's sources, texts or inputs.

use camino::{Utf8Path, Utf8PathBuf};
use plan::step::{Action, InitramfsKind, Step};

use super::context::Run;
use super::error::StepError;
use crate::event::Event;
use inspect::scan::{self, Token};

/// Checks the output of a step before it is committed. `made_from` are the trees of its sources and
/// inputs.
pub(super) fn check(
    run: &Run,
    step: &Step,
    made_from: &[Utf8PathBuf],
    out: &Utf8Path,
) -> Result<(), StepError> {
    let mut found = scan::scan(out, &run.options.machine)?;
    let mut own: Vec<Token> = Vec::new();
    for token in run.options.machine.sought() {
        let is_met = found.iter().any(|finding| finding.token == *token);
        if is_met && token.is_name && is_own_word(step, made_from, token)? {
            own.push(token.clone());
        }
    }
    for token in &own {
        let Token { text, what, .. } = token;
        run.emit(Event::Note {
            text: format!(
                "the {what} `{text}` is a word in what `{step}` is made from: it cannot be distinguished \
                 whether it got into the output too"
            ),
        });
    }
    found.retain(|finding| !own.contains(&finding.token));
    if found.is_empty() {
        return Ok(());
    }
    let recipe = step.recipe.clone();
    Err(StepError::Leak { recipe, found })
}

fn is_own_word(step: &Step, made_from: &[Utf8PathBuf], token: &Token) -> std::io::Result<bool> {
    let texts: Vec<&str> = match &step.action {
        Action::Script(script) => vec![&script.text],
        Action::Initramfs(entries) => entries
            .iter()
            .filter_map(|entry| match &entry.kind {
                InitramfsKind::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect(),
        Action::Gather(_) => Vec::new(),
    };
    let files = step.files.values().map(Vec::as_slice);
    let mut texts = texts.into_iter().map(str::as_bytes).chain(files);
    if texts.any(|text| token.positions(text).next().is_some()) {
        return Ok(true);
    }
    for place in made_from {
        if scan::holds(place, token)? {
            return Ok(true);
        }
    }
    Ok(false)
}
