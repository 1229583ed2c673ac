//! Renders a plan for people and programs: each step with its key and state.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use forge::build::State;
use plan::step::{Plan, Product, Step, StepId};
use serde_json::{Value, json};
use supply::outlook::Outlook;

use xtask::output::{Color, Style};
use xtask::render::quantity;

/// The plan as a table.
pub(crate) fn human(style: Style, plan: &Plan, outlook: &Outlook) -> String {
    let mut text = String::new();
    for (id, step) in steps(plan) {
        let word = paint(style, outlook.states.get(&id).copied());
        let arch = step.arch.as_deref().unwrap_or("-");
        let _ = writeln!(
            text,
            "{word} {:<14} {arch:<10} {} {}",
            step.recipe,
            step.key.short(),
            step.version
        );
    }
    let fetched: u64 = outlook.missing.iter().map(|pin| pin.size).sum();
    let built = outlook
        .states
        .values()
        .filter(|state| **state == State::Missing)
        .count();
    for image in &outlook.images {
        let _ = writeln!(text, "{} of {}: {}", image.recipe, image.arch, image.from);
    }
    let _ = write!(
        text,
        "{built} steps to build, {} files ({}) to download",
        outlook.missing.len(),
        quantity::bytes(fetched)
    );
    for pin in &outlook.missing {
        let _ = write!(
            text,
            "\n  {} {} {}",
            pin.file,
            quantity::bytes(pin.size),
            pin.sha256
        );
    }
    text
}

fn paint(style: Style, state: Option<State>) -> String {
    let color = match state {
        Some(State::Ready) => Color::Green,
        Some(State::Missing) => Color::Yellow,
        Some(State::Unneeded) | None => Color::Dim,
    };
    style.paint(color, &format!("{:<6}", label(state)))
}

fn label(state: Option<State>) -> &'static str {
    match state {
        Some(State::Ready) => "ready",
        Some(State::Missing) => "build",
        Some(State::Unneeded) | None => "-",
    }
}

/// One object per step, then one for each file and image, then the totals.
pub(crate) fn json(plan: &Plan, outlook: &Outlook) -> Vec<Value> {
    let mut lines: Vec<Value> = steps(plan)
        .map(|(id, step)| {
            let inputs: BTreeSet<&str> = step
                .inputs
                .iter()
                .map(|input| input.recipe.as_str())
                .collect();
            let files: Vec<&str> = step
                .sources
                .iter()
                .map(|source| source.pin.file.as_str())
                .collect();
            let patches = step.sources.iter().flat_map(|source| &source.patches);
            let patches: Vec<&str> = patches.filter_map(|patch| patch.path.file_name()).collect();
            json!({
                "reason": "step", "recipe": step.recipe, "version": step.version,
                "arch": step.arch, "key": step.key, "license": step.license,
                "product": match step.product {
                    Product::Image => "image",
                    Product::Toolchain => "toolchain",
                },
                "inputs": inputs, "sources": files, "patches": patches,
                "files": step.files.keys().collect::<Vec<_>>(),
                "frozen": step.frozen.iter().map(|frozen| &frozen.path).collect::<Vec<_>>(),
                "state": label(outlook.states.get(&id).copied()),
            })
        })
        .collect();
    lines.extend(outlook.missing.iter().map(|pin| {
        json!({
            "reason": "fetch", "file": pin.file, "size": pin.size, "sha256": pin.sha256,
        })
    }));
    lines.extend(outlook.images.iter().map(|image| {
        json!({
            "reason": image.recipe, "arch": image.arch, "key": image.key, "from": image.from.to_string(),
        })
    }));
    lines
}

fn steps(plan: &Plan) -> impl Iterator<Item = (StepId, &Step)> {
    let steps = plan.steps.iter().enumerate();
    steps.map(|(index, step)| (StepId(index), step))
}
