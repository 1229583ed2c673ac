//! `cargo xtask bench build`: the number of crates and the CPU time that the first test after a
//! clone compiles.

use std::collections::BTreeSet;
use std::time::Duration;

use camino::Utf8Path;
use host::process::{Command, Stdio};
use serde::Deserialize;
use serde_json::json;

use crate::cli::MessageFormat;
use crate::cli::bench::BenchBuildArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure, hinted};
use crate::output;

/// Time limit of a compilation on a slow machine.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// The cost of a compilation.
struct Cost {
    crates: usize,
    cpu: Duration,
}

pub(super) fn run(context: &Context, args: &BenchBuildArgs) -> CommandResult {
    let measure = |checkout: &Utf8Path| -> Result<Cost, Failure> {
        output::note(format!("compiling {checkout}"));
        compile(context, checkout)
    };
    let ours = measure(&context.root)?;
    print(context, &context.root, &ours);
    if let Some(other) = &args.against {
        let other = context.env.absolute(other);
        let theirs = measure(&other)?;
        print(context, &other, &theirs);
        let ratio = ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64();
        super::print_ratio(context, "bench-build-ratio", ratio);
    }
    Ok(Exit::Success)
}

fn print(context: &Context, checkout: &Utf8Path, cost: &Cost) {
    let (crates, seconds) = (cost.crates, cost.cpu.as_secs_f64());
    output::result(match context.global.message_format {
        MessageFormat::Human => format!("{checkout}: {crates} crates, {seconds:.1} s of CPU time"),
        MessageFormat::Json => json!({
            "reason": "bench-build", "checkout": checkout, "crates": crates, "cpu_s": seconds,
        })
        .to_string(),
    });
}

fn compile(context: &Context, checkout: &Utf8Path) -> Result<Cost, Failure> {
    let target = context.scratch("build")?;
    let cargo = context.env.cargo.clone();
    let before = host::clock::cpu_of_children();
    let output = Command::new(cargo.unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--package",
            "xtask",
            "--offline",
            "--locked",
            "--quiet",
        ])
        .args([
            "--message-format",
            "json",
            "--target-dir",
            target.path().as_str(),
        ])
        .current_dir(checkout)
        .stderr(Stdio::Inherit)
        .output(LIMIT)
        .map_err(hinted!(Exit::SetupMissing))?;
    let cpu = host::clock::cpu_of_children().saturating_sub(before);
    if !output.status.success() {
        let error = anyhow::anyhow!(
            "failed to compile `{checkout}`: cargo exited with {}",
            output.status
        );
        return Err(Failure::new(Exit::Failed, error).hint("cargo fetch".to_owned()));
    }
    let crates = crates(&output.stdout_text());
    Ok(Cost { crates, cpu })
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
