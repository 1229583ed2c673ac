//! Restores a guest from a new template on trial. Some machines are saved and loaded without an error, but some of
//! their processors do not run afterwards.

use std::time::Duration;

use qemu::Launch;

use super::{Failure, Restored, SavedFiles, WarmRequest, conversation, load_guest};

/// Waits for a timer and computes on each processor.
const SCRIPT: &str = "\
    running=
    for cpu in $(seq 0 $(($(nproc) - 1))); do
        taskset -c \"$cpu\" sh -c 'sleep 0.02; sha256sum /proc/self/exe' > /dev/null &
        running=\"$running $!\"
    done
    for process in $running; do
        wait \"$process\" || exit 1
    done
";

/// The time that the trial may take, as a multiple of the time in which the guest booted and was saved.
const ALLOWANCE: u32 = 3;

/// Restores a guest without devices and runs a script in it. `effort` is the test time that its template took. Returns the
/// CPU time until the restored guest answered.
pub(super) fn restore(
    request: &WarmRequest<'_>,
    bare: &Launch,
    saved: &SavedFiles<'_>,
    effort: Duration,
) -> Result<Duration, Failure> {
    let run_dir = request.run_dir.join("trial");
    host::scratch::create_private(&run_dir).map_err(|error| Failure::Once(error.to_string()))?;
    let trial = WarmRequest {
        launch: bare,
        run_dir: &run_dir,
        directory: &run_dir,
        limit: request.limit.min(effort * ALLOWANCE),
        ..*request
    };
    load_guest(&trial, saved)
        .and_then(|restored| run_script(&trial, restored))
        .map_err(|failure| match failure {
            Failure::Silent(why) if host::interrupt::received().is_none() => Failure::Machine(
                format!("a guest that was restored on trial does not run: {why}"),
            ),
            other => other,
        })
}

fn run_script(request: &WarmRequest<'_>, restored: Restored) -> Result<Duration, Failure> {
    let Restored {
        mut vm, resumed, ..
    } = restored;
    let answered = host::load::ran(vm.pid());
    let until = request.clock.deadline(request.limit);
    conversation::run(&mut vm, resumed.nonce, SCRIPT, &until).map_err(Failure::Silent)?;
    Ok(answered)
}
