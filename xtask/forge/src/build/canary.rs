//! Tests a toolchain before its use: it must compile the canaries to the code that the repository
//! records.
//!
//! The test runs once per entry, boot and lock, so that a restored, imported or damaged toolchain
//! is tested again. A toolchain that emits other code goes to quarantine. The compiler runs as in a
//! step: in the sandbox, at its fixed path.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::Command;
use plan::canary::{Canaries, CanaryLock, CanaryObject};
use plan::digest::Digest;
use plan::step::{Action, Mount, Plan, Product, Script, Step, StepId};

use super::canary_error::CanaryError;
use super::context::{Frozen, Run};
use super::error::StepError;
use super::script;
use elf::Elf;
use sandbox::{self, Places};
use store::Ready;

/// Name of the note that records a passed test.
const NOTE: &str = "canary";
/// Compiling the canaries takes less than a second on an idle machine.
const LIMIT: Duration = Duration::from_secs(300);
/// The optimisation levels of the kernel and of the programs.
const OPTIONS: [&str; 2] = ["-O2", "-Os"];
/// Each function gets its own section, and objects do not contain the compiler's name.
const SCRIPT: &str = "\
compile() {
    cd \"$OUT/$1\"
    \"$TC/bin/${TC##*/}-gcc\" \"$1\" -std=gnu11 -g0 -pipe -fno-ident -ffunction-sections -fdata-sections \\
        -c \"$FILES\"/*.c
}
compile -O2 &
other=$!
(compile -Os)
wait $other
";

/// The first step that uses a guest toolchain, if the step is such a toolchain.
pub(super) fn user(plan: &Plan, toolchain: StepId) -> Option<&Step> {
    plan.steps.iter().find(|step| {
        let uses =
            |input: &plan::step::Input| input.step == toolchain && input.mount == Mount::Toolchain;
        step.product == Product::Image && step.inputs.iter().any(uses)
    })
}

/// Tests the toolchains that a step is about to use.
pub(super) fn check_inputs(run: &Run, step: &Step, inputs: &[Ready]) -> Result<(), StepError> {
    if run.frozen == Frozen::Ignored {
        return Ok(());
    }
    if step.product != Product::Image {
        return Ok(());
    }
    for (input, ready) in step.inputs.iter().zip(inputs) {
        let is_compiler = run.plan.step(input.step).product == Product::Toolchain;
        if input.mount == Mount::Toolchain && is_compiler {
            check(run, step, ready)?;
        }
    }
    Ok(())
}

/// Tests a toolchain that `user` uses, unless it has passed before.
pub(super) fn check(run: &Run, user: &Step, toolchain: &Ready) -> Result<(), StepError> {
    let canaries = &run.options.canaries;
    let (Some(arch), false) = (&user.arch, canaries.sources.is_empty()) else {
        return Ok(());
    };
    // Other users of the same toolchain wait for this test.
    let _one_at_a_time = run.trial();
    let lock = canaries
        .locks
        .get(arch)
        .ok_or_else(|| CanaryError::NoLock(arch.clone()))?;
    check_fresh(arch, lock, canaries, toolchain)?;
    let mark = mark(run, lock, toolchain)?;
    if toolchain.note(NOTE).as_deref() == Some(&mark) {
        return Ok(());
    }
    let wrong = match compile(run, user, toolchain)? {
        Ok(made) => first_difference(lock, &made),
        Err(message) => match toolchain.verify() {
            Ok(()) => return Err(fails(user, message, toolchain)),
            Err(_) => Some(message),
        },
    };
    let Some(what) = wrong else {
        // In a read-only store it is tested each time.
        let _ = run.store.note(toolchain, NOTE, &mark);
        return Ok(());
    };
    let why = format!(
        "toolchain `{}` emits other code than its lock records: {what}",
        toolchain.name()
    );
    let kept = run.store.condemn(toolchain, &why)?;
    let kept = kept.map(Utf8PathBuf::into_string);
    let arch = arch.clone();
    Err(CanaryError::Wrong { arch, what, kept }.into())
}

/// The objects that a toolchain compiles from the canaries now.
pub(super) fn lock(run: &Run, user: &Step, toolchain: &Ready) -> Result<CanaryLock, StepError> {
    let made = compile(run, user, toolchain)?;
    made.map_err(|message| fails(user, message, toolchain))
}

fn fails(user: &Step, message: String, toolchain: &Ready) -> StepError {
    let out = toolchain.path();
    CanaryError::Fails {
        arch: user.arch.clone().unwrap_or_default(),
        message,
        entry: out.parent().unwrap_or(&out).to_owned(),
    }
    .into()
}

fn check_fresh(
    arch: &str,
    lock: &CanaryLock,
    canaries: &Canaries,
    toolchain: &Ready,
) -> Result<(), CanaryError> {
    let stale = |what: String| CanaryError::Stale {
        arch: arch.to_owned(),
        what,
    };
    let compiler = &toolchain.meta().version;
    if lock.compiler != *compiler {
        return Err(stale(format!("the compiler's version {compiler}")));
    }
    for (name, bytes) in &canaries.sources {
        for option in OPTIONS {
            let object = lock.objects.get(&(name.clone(), option.to_owned()));
            if object.is_none_or(|object| object.source != Digest::of(bytes)) {
                return Err(stale(format!("the current canary `{name}`")));
            }
        }
    }
    let mut locked = lock.objects.keys();
    let surplus = locked.find(|(name, option)| {
        !canaries.sources.contains_key(name) || !OPTIONS.contains(&option.as_str())
    });
    surplus.map_or(Ok(()), |(name, option)| {
        Err(stale(format!(
            "the current canaries: `{name}` is not compiled with {option}"
        )))
    })
}

/// Identifies a test of this entry, not of a copy, during this boot with these locks.
fn mark(run: &Run, lock: &CanaryLock, toolchain: &Ready) -> Result<String, StepError> {
    let inode = fs_err::metadata(toolchain.path())?.ino();
    let boot = run.store.boot().unwrap_or("unknown");
    Ok(format!(
        "{boot} {inode} {}\n",
        Digest::of(lock.render().as_bytes())
    ))
}

/// Compiles the canaries. The inner error is the compiler's message.
fn compile(
    run: &Run,
    user: &Step,
    toolchain: &Ready,
) -> Result<Result<CanaryLock, String>, StepError> {
    let Action::Script(users) = &user.action else {
        return Ok(Err(
            "no step that uses the toolchain runs a script".to_owned()
        ));
    };
    let trial = Script {
        text: SCRIPT.to_owned(),
        tools: Vec::new(),
        ..users.clone()
    };
    let step = Step {
        files: run.options.canaries.sources.clone(),
        ..user.clone()
    };
    let area = run.store.workspace()?;
    let (work, out) = (area.path().join("work"), area.path().join("out"));
    for directory in [work.clone(), out.join(OPTIONS[0]), out.join(OPTIONS[1])] {
        fs_err::create_dir_all(directory)?;
    }
    let places = Places {
        work,
        out: out.clone(),
        sources: BTreeMap::new(),
        inputs: BTreeMap::new(),
        toolchain: Some(toolchain.path()),
    };
    script::lay_out(run, &step, &trial, &places)?;
    let launch = sandbox::launch(&run.sandboxing, &trial, &places);
    let output = Command::from_argv(&launch.argv)
        .env_clear()
        .envs(&launch.env)
        .current_dir(&launch.directory)
        .output(LIMIT)?;
    if !output.status.success() {
        let message = output.stderr_text();
        let message: Vec<&str> = message.lines().take(5).collect();
        return Ok(Err(format!(
            "it ended with {}: {}",
            output.status,
            message.join("\n")
        )));
    }
    let mut made = CanaryLock {
        compiler: toolchain.meta().version.clone(),
        objects: BTreeMap::new(),
    };
    for (name, source) in &run.options.canaries.sources {
        for option in OPTIONS {
            let object = out.join(option).join(name).with_extension("o");
            let object = object_of(source, &object)?;
            made.objects
                .insert((name.clone(), option.to_owned()), object);
        }
    }
    Ok(Ok(made))
}

fn object_of(source: &[u8], file: &Utf8Path) -> std::io::Result<CanaryObject> {
    let bytes = fs_err::read(file)?;
    let elf = Elf::parse(&bytes);
    let sections = elf.iter().flat_map(|elf| &elf.sections);
    let filled = sections.filter(|section| section.is_loaded() && !section.bytes.is_empty());
    Ok(CanaryObject {
        source: Digest::of(source),
        sha256: Digest::of(&bytes),
        sections: filled
            .map(|section| {
                let digest = Digest::of(section.bytes).to_string();
                (section.name.clone(), digest[..16].to_owned())
            })
            .collect(),
    })
}

/// The first object that differs, and the difference. Code is compared before data.
fn first_difference(lock: &CanaryLock, made: &CanaryLock) -> Option<String> {
    let mut objects = lock.objects.iter();
    let ((file, option), expected) = objects.find(|(name, expected)| {
        made.objects
            .get(*name)
            .is_none_or(|made| made.sha256 != expected.sha256)
    })?;
    let none = BTreeMap::new();
    let made = made
        .objects
        .get(&(file.clone(), option.clone()))
        .map_or(&none, |made| &made.sections);
    let mut names: Vec<&String> = expected.sections.keys().chain(made.keys()).collect();
    names.retain(|name| expected.sections.get(*name) != made.get(*name));
    names.sort();
    names.dedup();
    let function = names.iter().find_map(|name| name.strip_prefix(".text."));
    let what = match (function, names.first()) {
        (Some(function), _) => format!("the code of function `{function}`"),
        (None, Some(section)) => format!("section `{section}`"),
        (None, None) => "symbols or relocations".to_owned(),
    };
    Some(format!(
        "the object of canary `{file}` at {option} differs, {what}"
    ))
}
