//! `cargo xtask bench build`: the number of crates and the CPU time that the first test after a
//! clone compiles.

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::side::{cargo_build, spent};
use crate::context::Context;
use crate::exit::Failure;

/// Compiles a checkout into an empty directory.
pub(super) fn sample(context: &Context, checkout: &Utf8Path) -> Result<Value, Failure> {
    let target = context.scratch("build")?;
    let (before, start) = (host::clock::cpu_of_children(), host::clock::monotonic());
    let directory = ["--target-dir", target.path().as_str()];
    let output = cargo_build(context, checkout, &directory)?;
    let cost = spent(before, start);
    Ok(json!({
        "reason": "bench-build", "crates": crates(&output.stdout_text()),
        "cpu_s": cost.cpu.as_secs_f64(), "wall_s": cost.wall.as_secs_f64(),
    }))
}

/// The relevant fields of a message of cargo.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
}

/// The number of compiled packages in cargo's messages.
fn crates(messages: &str) -> usize {
    let messages = messages.lines().map(serde_json::from_str::<Message>);
    let compiled = messages
        .flatten()
        .filter(|message| message.reason == "compiler-artifact");
    let packages: BTreeSet<String> = compiled.filter_map(|message| message.package_id).collect();
    packages.len()
}

#[cfg(test)]
mod tests {
    use super::crates;

    #[test]
    fn build_script_and_library_are_one_crate() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"registry#libc@1"}
{"reason":"build-script-executed","package_id":"registry#libc@1"}
{"reason":"compiler-artifact","package_id":"registry#libc@1"}
{"reason":"compiler-artifact","package_id":"path#xtask@1"}
{"reason":"build-finished","success":true}
not a message"#;
        assert_eq!(crates(messages), 2);
    }
}
