//! One guest of a test: its launch, its session, its logs.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use host::clock::monotonic;
use plan::arch::Endian;
use qemu::argv::Fds;
use qemu::{Control, Launch, Vm, VmEvent, qmp};

use super::combine::GuestEnd;
use super::{Case, disk};
use crate::debug::Spot;
use crate::event::RunEvent;
use crate::fold::Happened;
use crate::header::Channel;
use crate::logfile::{LogFile, Tail};
use crate::outcome::Outcome;
use crate::protocol::Call;
use crate::runner::send;
use crate::session::{Guest, Handover, Host, Rules, conduct};
use crate::text::line;
use crate::words::{Reply, monitor};

/// A guest that takes nothing for so long is gone.
const SEND_WAIT: Duration = Duration::from_secs(10);
/// For an answer of QEMU's monitor.
const MONITOR_WAIT: Duration = Duration::from_secs(30);
/// What a guest's `run` record names, and where its script is.
const RUN: &str = "/kiln/run";
const TEST: &str = "/kiln/test";

impl Guest for Vm {
    fn next(&mut self, until: Instant) -> Option<VmEvent> {
        Vm::next(self, until)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.send_control(bytes, SEND_WAIT)
            .map_err(|error| error.to_string())
    }
}

impl Case<'_> {
    /// Boots a guest with these further QEMU arguments and conducts it to its end.
    pub(super) fn boot(
        &self,
        extra: &[String],
        directory: &Utf8Path,
        is_gone: &dyn Fn() -> bool,
    ) -> Outcome {
        let number = {
            let mut state = self.state();
            state.started += 1;
            state.started
        };
        match Started::start(self, number, extra, directory, is_gone) {
            Ok(started) => started.conduct(),
            Err(outcome) => {
                let end = GuestEnd {
                    outcome: outcome.clone(),
                    abandoned: false,
                };
                self.state().guests.push(end);
                outcome
            }
        }
    }

    fn launch(&self, extra: &[String]) -> Launch<'_> {
        let arch = self.setting.arch;
        let header = &self.setting.test.test.header;
        let scratch = (0..header.scratch.len()).flat_map(|index| {
            let file = disk(&self.setting.scratch, index)
                .as_str()
                .replace(',', ",,");
            let name = format!("scratch{index}");
            let device = format!(
                "virtio-blk-{},drive={name},serial={name}",
                self.machine.virtio
            );
            let drive = format!("if=none,id={name},file={file},format=raw,cache=unsafe");
            ["-drive".to_owned(), drive, "-device".to_owned(), device]
        });
        Launch {
            binary: &arch.binary,
            profile: &arch.arch.qemu,
            machine: self.machine,
            facts: &arch.facts,
            accel: arch.accel,
            memory: header.memory.clone(),
            smp: header.smp,
            boot: arch.boot.clone(),
            append: self.append(),
            extra: scratch.chain(extra.iter().cloned()).collect(),
            control: match header.channel {
                Channel::Virtio => Control::VirtioSerial,
                Channel::Console => Control::Console,
            },
            reboot_allowed: header.reboots > 0,
        }
    }

    /// The test's own words for the kernel; the last `loglevel` counts.
    fn append(&self) -> String {
        let own = &self.setting.test.test.header.append;
        let log = if self.setting.config.kernel_log {
            "loglevel=7"
        } else {
            ""
        };
        format!("{log} {own}").trim().to_owned()
    }

    fn rules(&self) -> Rules {
        let header = &self.setting.test.test.header;
        Rules {
            ends: header.ends,
            reboots: header.reboots,
            channel: header.channel,
            boot_limit: self.boot_limit(),
            test_limit: self.test_limit(),
        }
    }

    fn handover(&self) -> std::io::Result<Handover> {
        let arch = &self.setting.arch.arch;
        let script = fs_err::read(&self.setting.test.test.path)?;
        let endian = match arch.endian {
            Endian::Big => "big",
            Endian::Little => "little",
        };
        let variable = |name: &str, value: String| (name.to_owned(), value);
        Ok(Handover {
            files: vec![
                (TEST.to_owned(), 0o755, script),
                (RUN.to_owned(), 0o755, self.setting.library.guest.clone()),
            ],
            environment: vec![
                variable("KILN_ARCH", arch.name.clone()),
                variable("KILN_BITS", arch.bits.to_string()),
                variable("KILN_ENDIAN", endian.to_owned()),
                variable("KILN_MACHINE", self.machine_name.to_owned()),
                variable("KILN_CALLS_ITSELF", self.calls_itself().to_owned()),
                variable("KILN_SEED", self.setting.job.seed.to_string()),
                variable("KILN_WAIT", self.wait_seconds()),
            ],
            run: RUN.to_owned(),
        })
    }

    /// `choose` and `qmp`, the words that both halves have.
    pub(super) fn shared_word(
        &self,
        word: &str,
        args: &[String],
        client: Option<&qmp::Client>,
    ) -> Option<Reply> {
        Some(match (word, args.split_first()) {
            ("choose" | "named_choose", None) => Reply::error(2, "choose: which name?"),
            ("choose" | "named_choose", Some((name, words))) => {
                match self.chooser.choose(name, words) {
                    Ok(word) => Reply::done(format!("{word}\n")),
                    Err(error) => Reply::error(2, error),
                }
            }
            ("qmp", _) => match client {
                Some(client) => ask_monitor(client, args),
                None => Reply::error(1, "qmp: no guest is running"),
            },
            _ => return None,
        })
    }
}

fn ask_monitor(client: &qmp::Client, args: &[String]) -> Reply {
    let command = match monitor::parse(args) {
        Ok(command) => command,
        Err(error) => return Reply::error(2, error),
    };
    match client.execute(&command.command, command.arguments, MONITOR_WAIT) {
        Ok(value) => Reply::done(format!("{value}\n")),
        Err(error) => {
            let (class, desc) = (error.class, error.desc);
            Reply::error(1, format!("qmp {}: {class}: {desc}", command.command))
        }
    }
}

/// A QEMU that runs, with its logs.
struct Started<'a> {
    case: &'a Case<'a>,
    number: usize,
    vm: Vm,
    /// When QEMU was started.
    since: Instant,
    handover: Handover,
    desk: GuestDesk<'a>,
    run_dir: Utf8PathBuf,
}

impl<'a> Started<'a> {
    fn start(
        case: &'a Case<'a>,
        number: usize,
        extra: &[String],
        directory: &Utf8Path,
        is_gone: &'a dyn Fn() -> bool,
    ) -> Result<Self, Outcome> {
        let broken = |error: &dyn std::error::Error| Outcome::HarnessError {
            message: in_line(error),
        };
        let mut launch = case.launch(extra);
        let logs = &case.setting.logs;
        let prepared = || -> std::io::Result<_> {
            let run_dir = case.setting.scratch.join(format!("guest{number}"));
            fs_err::create_dir_all(&run_dir)?;
            let console = LogFile::create(&logs.join(log_name("console", number)))?;
            let control = LogFile::create(&logs.join(log_name("control", number)))?;
            Ok((run_dir, console, control, case.handover()?))
        };
        let (run_dir, console, control, handover) = prepared().map_err(|error| broken(&error))?;
        case.record(&launch, directory, &handover)
            .map_err(|error| broken(&error))?;
        let suffix = log_suffix(number);
        let spot = Spot {
            run_dir: &run_dir,
            logs,
            suffix: &suffix,
        };
        let debug = &case.setting.config.debug;
        let wrapper = debug.wrapper(launch.binary, spot);
        let wrapper = wrapper.map_err(|error| broken(&error))?;
        let fds = Fds {
            qmp: 3,
            console: 4,
            control: 5,
        };
        launch.extra.extend(debug.options(spot));
        launch.binary = wrapper.as_deref().unwrap_or(launch.binary);
        let argv = launch.argv(fds).map_err(|error| broken(&error))?;
        case.state()
            .devices
            .extend(qemu::devices::on_command_line(&argv));
        let line = [vec![launch.binary.to_string()], argv].concat();
        let line = host::process::command::quote_line(&line) + "\n";
        fs_err::write(logs.join(log_name("argv", number)), line).map_err(|error| broken(&error))?;
        let since = monotonic();
        let vm = Vm::start(&launch, &run_dir, directory).map_err(|error| broken(&error))?;
        for text in debug.lines(&case.setting.arch.arch, spot) {
            send(case.setting.events, RunEvent::Note { text });
        }
        let client = vm.qmp().clone();
        case.state().running.push((number, client.clone()));
        let desk = GuestDesk {
            case,
            client,
            console,
            control,
            tail: Tail::default(),
            is_gone,
            abandoned: false,
        };
        Ok(Self {
            case,
            number,
            vm,
            since,
            handover,
            desk,
            run_dir,
        })
    }

    fn conduct(mut self) -> Outcome {
        let client = self.vm.qmp().clone();
        let rules = self.case.rules();
        let conducted = conduct(&mut self.vm, &rules, &self.handover, &mut self.desk);
        self.case
            .state()
            .running
            .retain(|(number, _)| *number != self.number);
        // Ends QEMU and waits until it is gone, so that its log is whole.
        drop(self.vm);
        let lived = self.since.elapsed();
        let logs = &self.case.setting.logs;
        let messages = logs.join(log_name("qemu", self.number));
        let kept = [
            fs_err::copy(self.run_dir.join(qemu::machine::LOG), messages).map(|_| ()),
            fs_err::remove_dir_all(&self.run_dir),
            self.desk.console.finish(),
            self.desk.control.finish(),
        ];
        let mut state = self.case.state();
        state.devices.extend(client.devices());
        state.notes.extend(
            kept.into_iter()
                .filter_map(Result::err)
                .map(|error| error.to_string()),
        );
        state.booted += conducted.boot;
        state.lived += lived;
        state.console_tail = self.desk.tail.lines();
        let outcome = conducted.outcome;
        let abandoned = self.desk.abandoned;
        state.guests.push(GuestEnd {
            outcome: outcome.clone(),
            abandoned,
        });
        outcome
    }
}

/// The first guest's logs have the plain names.
fn log_name(kind: &str, number: usize) -> String {
    let extension = if kind == "argv" { "" } else { ".log" };
    format!("{kind}{}{extension}", log_suffix(number))
}

fn log_suffix(number: usize) -> String {
    if number == 1 {
        String::new()
    } else {
        format!(".{number}")
    }
}

/// An error with its causes.
fn in_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    line(text.as_bytes())
}

/// The runner's side of a guest's session.
struct GuestDesk<'a> {
    case: &'a Case<'a>,
    client: qmp::Client,
    console: LogFile,
    control: LogFile,
    tail: Tail,
    is_gone: &'a dyn Fn() -> bool,
    abandoned: bool,
}

impl Host for GuestDesk<'_> {
    fn output(&mut self, bytes: &[u8]) {
        self.case.print(bytes);
    }

    fn console(&mut self, bytes: &[u8]) {
        self.console.write(bytes);
        self.tail.write(bytes);
    }

    fn control(&mut self, bytes: &[u8]) {
        self.control.write(bytes);
    }

    fn note(&mut self, text: String) {
        self.case.state().notes.push(text);
    }

    fn call(&mut self, call: &Call) -> (i32, String) {
        self.case.record_word(&call.word);
        let reply = self
            .case
            .shared_word(&call.word, &call.args, Some(&self.client));
        let reply =
            reply.unwrap_or_else(|| Reply::error(2, format!("unknown word `{}`", call.word)));
        (
            reply.status,
            if reply.status == 0 {
                reply.stdout
            } else {
                reply.stderr
            },
        )
    }

    fn stop(&mut self) -> Option<Happened> {
        if host::interrupt::received().is_some() {
            return Some(Happened::Interrupted);
        }
        if (self.is_gone)() {
            self.abandoned = true;
            return Some(Happened::Abandoned);
        }
        None
    }
}
