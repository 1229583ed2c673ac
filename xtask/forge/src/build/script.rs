//! Runs a step's script: its work area, process and log.

use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, ExitStatus, Stdio};
use plan::step::{Script, Step};

use super::context::Run;
use super::error::StepError;
use super::log;
use crate::event::Event;
use sandbox::{self, Launch, Places, Sandboxing};

/// Extra time after a script has ended, because a process that left its group may still hold its
/// output.
const STRAGGLERS: Duration = Duration::from_secs(2);

/// Runs the script and returns its start time, which is when it got a job slot.
pub(super) fn run(
    run: &Run,
    step: &Step,
    script: &Script,
    places: &Places,
) -> Result<Instant, StepError> {
    lay_out(run, step, script, places)?;
    let launch = sandbox::launch(&run.sandboxing, script, places);
    let slot = run.jobs.acquire()?;
    let log = run.store.log_dir().join(format!("{}.log", stem(step)));
    let start = run.started(step, Some(log.clone()));
    let (status, tail) = follow_process(run, step, &launch, &log)?;
    drop(slot);
    host::interrupt::check()?;
    match status {
        Some(status) if status.success() => Ok(start),
        Some(status) => Err(StepError::Script {
            status,
            log,
            tail,
            kept: keep_work_area(run, step, places)?,
        }),
        None => {
            let limit = run.options.script_limit;
            Err(StepError::TimedOut {
                limit,
                log,
                tail,
                kept: keep_work_area(run, step, places)?,
            })
        }
    }
}

/// The base name of a step's log and of its kept work area.
fn stem(step: &Step) -> String {
    let arch = step
        .arch
        .as_ref()
        .map(|arch| format!("-{arch}"))
        .unwrap_or_default();
    format!("{}{arch}-{}", step.recipe, step.key.short())
}

/// Fills the work area with everything that the script sees and that has no other location.
pub(super) fn lay_out(run: &Run, step: &Step, script: &Script, places: &Places) -> io::Result<()> {
    let work = &places.work;
    // A script may copy modes, so they must not depend on the caller's umask.
    let mode = |path: &Utf8Path, bits| fs_err::set_permissions(path, Permissions::from_mode(bits));
    for directory in ["build", "tools", "files"].map(|name| work.join(name)) {
        fs_err::create_dir(&directory)?;
        mode(&directory, 0o755)?;
    }
    fs_err::write(work.join(sandbox::SCRIPT), &script.text)?;
    let files = work.join("files");
    for (name, content) in &step.files {
        let file = files.join(name);
        if let Some(parent) = file.parent().filter(|parent| *parent != files) {
            fs_err::create_dir_all(parent)?;
            mode(parent, 0o755)?;
        }
        fs_err::write(&file, content)?;
        mode(&file, 0o644)?;
    }
    for name in script.tools.iter().map(String::as_str).chain(["sh"]) {
        let link = work.join("tools").join(name);
        if let Some(program) = run.tools.program(name)
            && link.symlink_metadata().is_err()
        {
            fs_err::os::unix::fs::symlink(program, link)?;
        }
    }
    if let Sandboxing::Bubblewrap {
        clock: Some(clock), ..
    } = &run.sandboxing
    {
        for (name, content) in clock.files() {
            fs_err::write(work.join(name), content)?;
        }
    }
    if matches!(run.sandboxing, Sandboxing::None { .. }) {
        for directory in ["src", "in", "tc"] {
            fs_err::create_dir(work.join(directory))?;
        }
        for (link, target) in sandbox::links(script, places) {
            if let Some(parent) = link.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::os::unix::fs::symlink(target, link)?;
        }
    }
    Ok(())
}

/// Starts the script and follows it to its end. No status means that it exceeded its time limit.
fn follow_process(
    run: &Run,
    step: &Step,
    launch: &Launch,
    log: &Utf8Path,
) -> Result<(Option<ExitStatus>, Vec<String>), StepError> {
    let (output, input) = io::pipe()?;
    let same = OwnedFd::from(input.try_clone()?);
    let command = Command::from_argv(&launch.argv)
        .env_clear()
        .envs(&launch.env)
        .current_dir(&launch.directory)
        .stdout(Stdio::Fd(input.into()))
        .stderr(Stdio::Fd(same));
    let command = run.jobs.configure(command)?;
    let file = fs_err::File::create(log)?;
    let running = command.spawn()?;
    let (sender, receiver) = mpsc::channel();
    let (events, recipe, arch) = (run.events.clone(), step.recipe.clone(), step.arch.clone());
    thread::Builder::new()
        .name(format!("log {recipe}"))
        .spawn(move || {
            let say = |line: &str| {
                let (recipe, arch, line) = (recipe.clone(), arch.clone(), line.to_owned());
                // The receiver may be closed without an effect on the run.
                let _ = events.send(Event::StepOutput { recipe, arch, line });
            };
            // The receiver does not wait for a late result.
            let _ = sender.send(log::follow(output, file, say));
        })?;
    let status = running.wait(run.options.script_limit);
    // Kills the rest of its process group, so that the pipe closes.
    drop(running);
    let tail = match receiver.recv_timeout(STRAGGLERS) {
        Ok(tail) => tail?,
        Err(_) => vec!["(a process still holds the script's output)".to_owned()],
    };
    Ok((status, tail))
}

/// Moves the work area of a failed step away before it is removed, if requested.
fn keep_work_area(run: &Run, step: &Step, places: &Places) -> io::Result<Option<Utf8PathBuf>> {
    if !run.options.keep_failed {
        return Ok(None);
    }
    let kept = run.store.root().join("failed").join(stem(step));
    if kept.exists() {
        fs_err::remove_dir_all(&kept)?;
    }
    fs_err::create_dir_all(&kept)?;
    for path in [&places.work, &places.out] {
        fs_err::rename(path, kept.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(Some(kept))
}
