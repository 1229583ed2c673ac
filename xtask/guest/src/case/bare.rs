//! Runs a bare-metal test: a guest without an operating system, on the machine of its header.
//!
//! QEMU is started as for a guest with an operating system, without a control channel. The guest learns its
//! nonce and the seed from its command line. What its end means is decided in `suite::bare::judge`.

use std::time::Duration;

use host::clock::monotonic;
use plan::arch::Bare;
use qemu::{BootFiles, Control, LaunchRequest, devices};
use session::protocol::Nonce;
use session::{FLOOD, Handover};
use suite::bare::{BareTest, judge};
use suite::requirement;
use unittests::judge::subtests;
use verdict::event::{TestReport, millis};
use verdict::outcome::{Outcome, Phase};

use script::standalone::{KERNEL, Start};

use super::Setting;
use super::watched::{self, Broken, Ended, Starter};

/// The nonce in an exported script, which `standalone/script.sh.in` looks for.
const STANDALONE_NONCE: &str = "standalone";

/// Runs it to its report.
pub(super) fn run(setting: &Setting<'_>, test: &BareTest, mut report: TestReport) -> TestReport {
    let started = monotonic();
    setting
        .arch
        .accel
        .as_str()
        .clone_into(&mut report.setup.accel);
    match request(setting, test) {
        Ok((request, bare)) => {
            report.evidence.log_dir = Some(setting.logs.clone());
            request.machine.name.clone_into(&mut report.setup.machine);
            report.outcome = perform(setting, &request, bare, &mut report)
                .unwrap_or_else(|broken| broken.outcome());
        }
        Err(outcome) => report.outcome = outcome,
    }
    watched::conclude(setting, &mut report, started);
    report
}

/// What is started, or why nothing is.
fn request<'a>(
    setting: &'a Setting<'_>,
    test: &BareTest,
) -> Result<(LaunchRequest<'a>, &'a Bare), Outcome> {
    let broken = |message: String| Outcome::HarnessError { message };
    let header = &setting.test.test.header;
    let arch = &setting.arch.arch;
    let skipped = |reason: String| Outcome::Skipped { reason };
    let no_guests = || skipped(format!("`images/{}.toml` has no table `bare`", arch.name));
    let bare = arch.bare.as_ref().ok_or_else(no_guests)?;
    let (_, machine) =
        requirement::machine(header, setting.test.arch, &arch.qemu).map_err(broken)?;
    if let Some(reason) = setting.unmet(machine) {
        return Err(skipped(reason));
    }
    let directory = setting.arch.bare.as_ref();
    let kernel = directory.map(|directory| directory.join(&test.program));
    let kernel = kernel.filter(|kernel| kernel.is_file());
    let missing = || broken(format!("failed to find the program `{}`", test.program));
    let boot = BootFiles {
        kernel: kernel.ok_or_else(missing)?,
        initrd: None,
        device_tree: None,
    };
    let request = LaunchRequest {
        memory: header.memory.clone(),
        smp: header.smp,
        append: header.append.clone(),
        control: Control::Console,
        devices: bare.args.clone(),
        options: test.options.clone(),
        paused: setting.config.debug.is_held(),
        ..LaunchRequest::new(setting.arch.emulator(), machine, boot)
    };
    Ok((request, bare))
}

/// Notes the start for a script that is exported: its guest has another nonce, which that script knows.
fn record(
    setting: &Setting<'_>,
    request: &LaunchRequest<'_>,
    nonce: &str,
    limit: Duration,
) -> Result<(), Broken> {
    let Some(recorder) = &setting.config.debug.recorder else {
        return Ok(());
    };
    let mut stand_in = request.clone();
    stand_in.append = request.append.replace(nonce, STANDALONE_NONCE);
    stand_in.boot.kernel = setting.scratch.join(KERNEL);
    let nothing = Handover {
        files: Vec::new(),
        environment: Vec::new(),
        run: String::new(),
    };
    let places = (setting.scratch.as_path(), setting.scratch.as_path());
    let argv = stand_in.resolve()?.script();
    let start = Start::new(argv, places, request.boot.clone(), nothing, limit);
    Ok(recorder.start(start)?)
}

fn perform(
    setting: &Setting<'_>,
    request: &LaunchRequest<'_>,
    bare: &Bare,
    report: &mut TestReport,
) -> Result<Outcome, Broken> {
    fs_err::create_dir_all(&setting.logs)?;
    host::scratch::create_private(&setting.scratch)?;
    let nonce = Nonce::random()?;
    let nonce = nonce.as_str().to_owned();
    let mut request = request.clone();
    let own = request.append;
    request.append = format!("kiln.nonce={nonce} kiln.seed={} {own}", setting.job.seed);
    let launch = request.resolve()?;
    let limit = setting.test_limit();
    record(setting, &request, &nonce, limit)?;
    let starter = Starter::new(setting, &setting.scratch)?;
    let since = monotonic();
    let mut machine = starter.start(&|fds| launch.argv(fds))?;
    starter.begin(limit);
    if !setting.config.debug.is_held() {
        machine.vm.release();
    }
    let ended = machine.watch(|_| false);
    report.times.qemu_ms = millis(since.elapsed());
    let (messages, shutdown) = (machine.messages(), machine.shutdown.take());
    drop(machine);
    let printed = starter.finish(report);
    report.evidence.subtests = subtests(&printed);
    let facts = &setting.arch.facts;
    let found = devices::on_command_line(&[bare.args.clone(), request.options].concat());
    let names = found.iter().map(|name| facts.device_type(name).to_owned());
    report.setup.devices = names.collect();
    Ok(match ended {
        Ended::Exited(exit) => {
            let end = judge::End {
                exit,
                shutdown: shutdown.as_ref(),
                messages: &messages,
                console: &printed,
                nonce: &nonce,
            };
            judge::outcome(bare.status, end)
        }
        Ended::TimedOut => Outcome::timed_out(Phase::Test, limit),
        Ended::Flooded => Outcome::flood("console", FLOOD),
        Ended::Stopped | Ended::Interrupted => Outcome::NotRun {
            why: "interrupted".to_owned(),
        },
    })
}
