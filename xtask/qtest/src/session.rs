//! A session with a QEMU that executes no guest, over the qtest protocol.
//!
//! If the binary has the `qtest` accelerator, the clock stops until `clock_step`. Distributions
//! omit it. Then TCG with stopped processors is used: ports, registers and memory behave in the
//! same way, but commands that move the clock or an interrupt line are refused.

use std::time::Duration;

use camino::Utf8Path;
use host::test_time::{Deadline, Followed, TestClock};
use host::wait::Limit;
use qemu::Facts;
use qemu::history::History;
use qemu::launch::argv::Fds;
use qemu::qmp;
use qemu::vm::{ProcessSpec, Vm, VmEvent};
use serde_json::Value;

use crate::error::QtestError;
use crate::memory::{Layout, Memory};
use crate::protocol::{self, Irq, Line, Width};
use crate::transcript::Transcript;

/// The accelerator with a settable clock.
const QTEST: &str = "qtest";
/// The file with the machine's RAM, in the directory of the session.
const MEMORY: &str = "memory";
/// Bytes per `read` and `write` command. QEMU reads lines of any length, but longer ones slowly.
const CHUNK: usize = 16 << 10;

/// The parameters of a session.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// The QEMU binary.
    pub binary: &'a Utf8Path,
    /// Its capabilities.
    pub facts: &'a Facts,
    /// The directory for QEMU's log and temporary files.
    pub run_dir: &'a Utf8Path,
    /// QEMU's options for the machine and its devices.
    pub arguments: &'a [String],
    /// Time limit of each reply and of each answer over QMP, on this clock.
    pub wait: Duration,
    /// The clock of the limit. It stops while QEMU waits for a processor of the host.
    pub clock: &'a TestClock,
    /// The RAM of the machine, if blocks of it are copied without commands.
    pub memory: Option<&'a Layout>,
}

/// A session with a QEMU that executes no guest.
pub struct Session {
    vm: Vm,
    wait: Duration,
    clock: TestClock,
    _followed: Followed,
    received: Vec<u8>,
    irqs: Vec<Irq>,
    lines: Vec<String>,
    history: History,
    has_clock: bool,
    big_endian: Option<bool>,
    memory: Option<Memory>,
    has_replied: bool,
    transcript: Transcript,
}

impl Session {
    /// Starts QEMU.
    pub fn start(spec: &Spec<'_>) -> Result<Self, QtestError> {
        let has_clock = spec.facts.has_accel(QTEST);
        let process = ProcessSpec {
            binary: spec.binary,
            run_dir: spec.run_dir,
            directory: spec.run_dir,
        };
        let memory = spec
            .memory
            .map(|layout| Memory::create(&spec.run_dir.join(MEMORY), layout))
            .transpose()
            .map_err(QtestError::Memory)?;
        let shared = memory.as_ref().map(Memory::arguments).unwrap_or_default();
        // The descriptor of a guest's control channel transports the protocol here.
        let vm = Vm::spawn_with(process, true, |fds| {
            command_line(fds, has_clock, &[spec.arguments, &shared].concat())
        })?;
        let mut transcript = Transcript::default();
        transcript.note_start(&spec.facts.full_version(), spec.binary, spec.arguments);
        Ok(Self {
            _followed: spec.clock.follow_while(vm.pid()),
            vm,
            wait: spec.wait,
            clock: spec.clock.clone(),
            received: Vec::new(),
            irqs: Vec::new(),
            lines: Vec::new(),
            history: History::default(),
            has_clock,
            big_endian: None,
            memory,
            has_replied: false,
            transcript,
        })
    }

    /// Whether the clock stops until `clock_step`.
    #[must_use]
    pub fn has_clock(&self) -> bool {
        self.has_clock
    }

    /// Executes a QMP command of the same QEMU.
    pub fn qmp(&self, command: &str, arguments: Value) -> Result<Value, qmp::QmpError> {
        let deadline = self.deadline();
        let limit = Limit::while_left(&deadline);
        self.vm.qmp().execute_within(command, arguments, limit)
    }

    /// Executes a command of QEMU's human monitor.
    pub fn human(&self, line: &str) -> Result<String, qmp::QmpError> {
        self.vm.qmp().human(line, self.wait)
    }

    /// The time limit of a reply.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// The deadline of a wait for QEMU that begins now.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.clock.deadline(self.wait)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.vm.pid()
    }

    /// All commands so far with their replies.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Adds a comment to the transcript.
    pub(crate) fn comment(&mut self, text: &str) {
        self.transcript.note_comment(text);
    }

    /// The interrupt lines that changed since the last call.
    pub fn take_irqs(&mut self) -> Vec<Irq> {
        std::mem::take(&mut self.irqs)
    }

    /// The lines from QEMU since the last command was sent.
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Reads from an I/O port.
    pub fn port_in(&mut self, width: Width, port: u16) -> Result<u32, QtestError> {
        self.number(&format!("in{} {port:#x}", width.letter()))
    }

    /// Writes to an I/O port.
    pub fn port_out(&mut self, width: Width, port: u16, value: u32) -> Result<(), QtestError> {
        self.done(&format!("out{} {port:#x} {value:#x}", width.letter()))
    }

    /// Reads a byte from an I/O port.
    pub fn inb(&mut self, port: u16) -> Result<u8, QtestError> {
        self.number(&format!("inb {port:#x}"))
    }

    /// Reads two bytes from an I/O port.
    pub fn inw(&mut self, port: u16) -> Result<u16, QtestError> {
        self.number(&format!("inw {port:#x}"))
    }

    /// Reads four bytes from an I/O port.
    pub fn inl(&mut self, port: u16) -> Result<u32, QtestError> {
        self.port_in(Width::L, port)
    }

    /// Writes a byte to an I/O port.
    pub fn outb(&mut self, port: u16, value: u8) -> Result<(), QtestError> {
        self.port_out(Width::B, port, value.into())
    }

    /// Writes two bytes to an I/O port.
    pub fn outw(&mut self, port: u16, value: u16) -> Result<(), QtestError> {
        self.port_out(Width::W, port, value.into())
    }

    /// Writes four bytes to an I/O port.
    pub fn outl(&mut self, port: u16, value: u32) -> Result<(), QtestError> {
        self.port_out(Width::L, port, value)
    }

    /// Reads a number from a physical address, in the guest's byte order.
    pub fn read_width(&mut self, width: Width, address: u64) -> Result<u64, QtestError> {
        self.number(&format!("read{} {address:#x}", width.letter()))
    }

    /// Writes a number to a physical address, in the guest's byte order.
    pub fn write_width(
        &mut self,
        width: Width,
        address: u64,
        value: u64,
    ) -> Result<(), QtestError> {
        self.done(&format!("write{} {address:#x} {value:#x}", width.letter()))
    }

    /// Reads a byte from a physical address.
    pub fn readb(&mut self, address: u64) -> Result<u8, QtestError> {
        self.number(&format!("readb {address:#x}"))
    }

    /// Reads four bytes from a physical address, in the guest's byte order.
    pub fn readl(&mut self, address: u64) -> Result<u32, QtestError> {
        self.number(&format!("readl {address:#x}"))
    }

    /// Writes a byte to a physical address.
    pub fn writeb(&mut self, address: u64, value: u8) -> Result<(), QtestError> {
        self.write_width(Width::B, address, value.into())
    }

    /// Writes four bytes to a physical address, in the guest's byte order.
    pub fn writel(&mut self, address: u64, value: u32) -> Result<(), QtestError> {
        self.write_width(Width::L, address, value.into())
    }

    /// Reads a little-endian number, independently of the guest's byte order, as PCI and virtio
    /// need.
    pub fn read_le(&mut self, width: Width, address: u64) -> Result<u64, QtestError> {
        let value = self.read_width(width, address)?;
        Ok(if self.big_endian()? {
            width.swapped(value)
        } else {
            value
        })
    }

    /// Writes a little-endian number, independently of the guest's byte order.
    pub fn write_le(&mut self, width: Width, address: u64, value: u64) -> Result<(), QtestError> {
        let value = if self.big_endian()? {
            width.swapped(value)
        } else {
            value
        };
        self.write_width(width, address, value)
    }

    /// Reads memory in the order of addresses.
    pub fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>, QtestError> {
        let mut all = Vec::with_capacity(length);
        while all.len() < length {
            let count = CHUNK.min(length - all.len());
            let at = address + all.len() as u64;
            if let Some(bytes) = self.shared().and_then(|it| it.read(at, count)) {
                let bytes = bytes.map_err(QtestError::Memory)?;
                self.transcript.note_read(at, &bytes);
                all.extend(bytes);
                continue;
            }
            let command = protocol::read_command(at, count);
            let reply = self.command(&command)?;
            match protocol::bytes(&reply) {
                Some(bytes) if bytes.len() == count => all.extend(bytes),
                _ => return Err(QtestError::Reply { command, reply }),
            }
        }
        Ok(all)
    }

    /// Writes memory.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), QtestError> {
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let address = address + (index * CHUNK) as u64;
            if let Some(written) = self.shared().and_then(|it| it.write(address, chunk)) {
                written.map_err(QtestError::Memory)?;
                self.transcript.note_write(address, chunk);
                continue;
            }
            self.done(&protocol::write_command(address, chunk))?;
        }
        Ok(())
    }

    /// Reads memory with the command that transfers base64.
    pub fn read_base64(&mut self, address: u64, length: usize) -> Result<Vec<u8>, QtestError> {
        let command = format!("b64read {address:#x} {length:#x}");
        let reply = self.command(&command)?;
        protocol::base64_bytes(&reply)
            .filter(|bytes| bytes.len() == length)
            .ok_or(QtestError::Reply { command, reply })
    }

    /// Writes memory with the command that transfers base64.
    pub fn write_base64(&mut self, address: u64, bytes: &[u8]) -> Result<(), QtestError> {
        let text = protocol::base64(bytes);
        self.done(&format!("b64write {address:#x} {:#x} {text}", bytes.len()))
    }

    /// The RAM for copies. Before its first reply, QEMU may still be loading firmware into it.
    fn shared(&self) -> Option<&Memory> {
        self.memory.as_ref().filter(|_| self.has_replied)
    }

    /// Fills memory with a byte.
    pub fn memset(&mut self, address: u64, length: usize, byte: u8) -> Result<(), QtestError> {
        if length == 0 {
            return Ok(());
        }
        self.done(&format!("memset {address:#x} {length:#x} {byte:#x}"))
    }

    /// Advances the clock to the next timer or by some nanoseconds. Returns the new time.
    pub fn clock_step(&mut self, nanoseconds: Option<u64>) -> Result<u64, QtestError> {
        self.on_clock(&match nanoseconds {
            Some(nanoseconds) => format!("clock_step {nanoseconds}"),
            None => "clock_step".to_owned(),
        })
    }

    /// Advances the clock to a time in nanoseconds. Returns the new time.
    pub fn clock_set(&mut self, nanoseconds: u64) -> Result<u64, QtestError> {
        self.on_clock(&format!("clock_set {nanoseconds}"))
    }

    /// Reports the interrupts that arrive at a device, by its path in QEMU's object tree.
    pub fn irq_intercept_in(&mut self, path: &str) -> Result<(), QtestError> {
        self.done(&format!("irq_intercept_in {path}"))
    }

    /// Reports the interrupts that leave a device.
    pub fn irq_intercept_out(&mut self, path: &str) -> Result<(), QtestError> {
        self.done(&format!("irq_intercept_out {path}"))
    }

    /// Sets an input line of a device. `name` is empty for the unnamed lines.
    pub fn set_irq_in(
        &mut self,
        path: &str,
        name: &str,
        line: u32,
        level: i32,
    ) -> Result<(), QtestError> {
        let name = if name.is_empty() {
            "unnamed-gpio-in"
        } else {
            name
        };
        self.done(&format!("set_irq_in {path} {name} {line} {level}"))
    }

    /// Loads a module of QEMU.
    pub fn module_load(&mut self, prefix: &str, name: &str) -> Result<(), QtestError> {
        self.done(&format!("module_load {prefix} {name}"))
    }

    /// Calls a function of the firmware interface RTAS. Arguments and results are arrays of
    /// big-endian 32-bit numbers in memory.
    pub fn rtas(
        &mut self,
        function: &str,
        arguments: (u64, usize),
        results: (u64, usize),
    ) -> Result<u64, QtestError> {
        self.number(&format!(
            "rtas {function} {} {:#x} {} {:#x}",
            arguments.1, arguments.0, results.1, results.0
        ))
    }

    /// Whether the guest is big-endian, determined once.
    pub fn big_endian(&mut self) -> Result<bool, QtestError> {
        if let Some(known) = self.big_endian {
            return Ok(known);
        }
        let command = "endianness";
        let big = match self.command(command)?.as_str() {
            "big" => true,
            "little" => false,
            reply => {
                return Err(QtestError::Reply {
                    command: command.into(),
                    reply: reply.into(),
                });
            }
        };
        self.big_endian = Some(big);
        Ok(big)
    }

    /// Sends a command and returns the text after `OK`, for commands without a method here.
    pub fn command(&mut self, command: &str) -> Result<String, QtestError> {
        self.transcript.note_command(command);
        self.lines.clear();
        let deadline = self.deadline();
        if let Err(error) = self
            .vm
            .send_control(format!("{command}\n").as_bytes(), self.wait)
        {
            // The exit of QEMU explains more than a closed pipe.
            let closed = error.into();
            return Err(match self.line(command, &deadline) {
                Err(ended @ QtestError::Ended { .. }) => ended,
                _ => closed,
            });
        }
        loop {
            let line = self.line(command, &deadline)?;
            self.transcript.note_reply(&line);
            self.lines.push(line.clone());
            match protocol::read_line(&line) {
                Line::Irq(irq) => self.irqs.push(irq),
                Line::Ok(reply) => {
                    self.has_replied = true;
                    return Ok(reply);
                }
                Line::Refused(reply) => {
                    return Err(QtestError::Refused {
                        command: command.into(),
                        reply,
                    });
                }
                Line::Unknown(reply) => {
                    return Err(QtestError::Reply {
                        command: command.into(),
                        reply,
                    });
                }
            }
        }
    }

    /// Waits for events after the last reply: a timer or a bottom half may crash QEMU. Returns how
    /// it ended.
    pub fn settle(&mut self, wait: Duration) -> Option<qemu::Exit> {
        let deadline = self.clock.deadline(wait);
        while let Some(event) = self.vm.next_within(Limit::while_left(&deadline)) {
            self.history.note(&event);
        }
        self.history.exit
    }

    /// The last of QEMU's own messages, one per line.
    #[must_use]
    pub fn log(&self) -> String {
        self.history.message_tail()
    }

    fn line(&mut self, command: &str, deadline: &Deadline) -> Result<String, QtestError> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            match self.vm.next_within(Limit::while_left(deadline)) {
                Some(VmEvent::Control(bytes)) => self.received.extend(bytes),
                Some(event) => self.history.note(&event),
                None => {
                    let (command, log) = (command.to_owned(), self.log());
                    return Err(match self.history.exit {
                        Some(exit) => QtestError::Ended { command, exit, log },
                        None => QtestError::Deadline {
                            command,
                            millis: self.wait.as_millis(),
                            activity: deadline.activity(),
                            log,
                        },
                    });
                }
            }
        }
    }

    fn on_clock(&mut self, command: &str) -> Result<u64, QtestError> {
        if !self.has_clock {
            return Err(QtestError::NoClock {
                command: command.to_owned(),
            });
        }
        self.number(command)
    }

    fn done(&mut self, command: &str) -> Result<(), QtestError> {
        self.command(command).map(drop)
    }

    fn number<T: TryFrom<u64>>(&mut self, command: &str) -> Result<T, QtestError> {
        let reply = self.command(command)?;
        protocol::number(&reply)
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| QtestError::Reply {
                command: command.into(),
                reply,
            })
    }
}

fn command_line(fds: Fds, has_clock: bool, arguments: &[String]) -> Vec<String> {
    // A stopped machine has a stopped clock, and its devices do not answer requests. With the accelerator
    // `qtest` no processor executes anything; under TCG the machine stays stopped for that.
    let accel: &[&str] = if has_clock {
        &["-accel", QTEST]
    } else {
        &["-accel", "tcg", "-S"]
    };
    let mut line: Vec<String> = ["-nodefaults", "-no-user-config", "-display", "none"]
        .iter()
        .chain(accel)
        .chain(&["-mon", "chardev=kiln-qmp,mode=control"])
        .chain(&["-qtest", "chardev:qtest", "-qtest-log", "none"])
        .map(|word| (*word).to_owned())
        .collect();
    // QEMU 7.2 finds the character device of `-qtest` only under the name `qtest`.
    for (id, fd) in [("kiln-qmp", fds.qmp), ("qtest", fds.control)] {
        line.push("-chardev".into());
        line.push(format!("socket,id={id},fd={fd}"));
    }
    line.extend(arguments.iter().cloned());
    line
}
