//! A client of QEMU's qtest protocol: device tests from the host, without a guest.
//!
//! For the host-side device tests. The protocol is line based (QEMU's `system/qtest.c`). Where the
//! binary has the `qtest` accelerator the clock stands still until `clock_step`; distributions
//! leave it out, then TCG runs with stopped processors: ports, registers and memory behave the
//! same, but the clock runs by itself.

use std::time::{Duration, Instant};

use camino::Utf8Path;

use crate::error::QemuError;
use crate::facts::Facts;
use crate::history::History;
use crate::launch::argv::Fds;
use crate::qmp;
use crate::vm::{ProcessSpec, Vm, VmEvent};

/// What can go wrong in a conversation.
#[derive(Debug, thiserror::Error)]
pub enum QtestError {
    /// QEMU could not be started, or took nothing.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// QEMU refused the command.
    #[error("qtest `{command}`: {said}")]
    Refused {
        /// The command.
        command: String,
        /// What QEMU said.
        said: String,
    },
    /// QEMU ended or did not answer in time.
    #[error("qtest `{command}`: {why}")]
    Silent {
        /// The command.
        command: String,
        /// What happened instead, with QEMU's last messages.
        why: String,
    },
    /// An answer of another form than the protocol has.
    #[error("qtest `{command}`: unexpected reply `{answer}`")]
    Answer {
        /// The command.
        command: String,
        /// The answer.
        answer: String,
    },
}

impl QtestError {
    /// The change that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { command, .. } if command.starts_with("clock_") => Some(
                "only the `qtest` accelerator has a clock that can be set, and this binary may \
                 lack it; QEMU's own builds have it"
                    .into(),
            ),
            Self::Qemu(error) => error.hint(),
            _ => None,
        }
    }
}

/// An interrupt line that changed, after `irq_intercept_in` or `irq_intercept_out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Irq {
    /// Number of the line.
    pub line: u32,
    /// Whether it is up now.
    pub raised: bool,
}

/// The width of an access, by its letter in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    B,
    W,
    L,
    Q,
}

impl Width {
    fn letter(self) -> char {
        match self {
            Self::B => 'b',
            Self::W => 'w',
            Self::L => 'l',
            Self::Q => 'q',
        }
    }
}

/// A QEMU that executes no guest, and the conversation with it.
pub struct Qtest {
    vm: Vm,
    wait: Duration,
    received: Vec<u8>,
    irqs: Vec<Irq>,
    history: History,
    virtual_clock: bool,
}

impl Qtest {
    /// Starts QEMU with these arguments (a machine, devices). `wait` is for each answer.
    pub fn start(
        binary: &Utf8Path,
        facts: &Facts,
        run_dir: &Utf8Path,
        arguments: &[&str],
        wait: Duration,
    ) -> Result<Self, QtestError> {
        let virtual_clock = facts.has_accel("qtest");
        let spec = ProcessSpec {
            binary,
            run_dir,
            directory: run_dir,
        };
        // The descriptor of a guest's control channel carries the protocol here.
        let vm = Vm::spawn_with(spec, true, |fds| {
            command_line(fds, virtual_clock, arguments)
        })?;
        let (received, irqs, history) = (Vec::new(), Vec::new(), History::default());
        Ok(Self {
            vm,
            wait,
            received,
            irqs,
            history,
            virtual_clock,
        })
    }

    /// Whether the clock stands still until `clock_step`.
    #[must_use]
    pub fn has_virtual_clock(&self) -> bool {
        self.virtual_clock
    }

    /// QMP of the same QEMU.
    #[must_use]
    pub fn qmp(&self) -> &qmp::Client {
        self.vm.qmp()
    }

    /// The interrupt lines that changed since the last call.
    pub fn take_irqs(&mut self) -> Vec<Irq> {
        std::mem::take(&mut self.irqs)
    }

    /// Reads a byte from an I/O port.
    pub fn inb(&mut self, port: u16) -> Result<u8, QtestError> {
        self.input(Width::B, port)
    }

    /// Reads two bytes from an I/O port.
    pub fn inw(&mut self, port: u16) -> Result<u16, QtestError> {
        self.input(Width::W, port)
    }

    /// Reads four bytes from an I/O port.
    pub fn inl(&mut self, port: u16) -> Result<u32, QtestError> {
        self.input(Width::L, port)
    }

    /// Writes a byte to an I/O port.
    pub fn outb(&mut self, port: u16, value: u8) -> Result<(), QtestError> {
        self.output(Width::B, port, value.into())
    }

    /// Writes two bytes to an I/O port.
    pub fn outw(&mut self, port: u16, value: u16) -> Result<(), QtestError> {
        self.output(Width::W, port, value.into())
    }

    /// Writes four bytes to an I/O port.
    pub fn outl(&mut self, port: u16, value: u32) -> Result<(), QtestError> {
        self.output(Width::L, port, value)
    }

    /// Reads a byte from a physical address.
    pub fn readb(&mut self, address: u64) -> Result<u8, QtestError> {
        self.read_width(Width::B, address)
    }

    /// Reads two bytes from a physical address, in the guest's byte order.
    pub fn readw(&mut self, address: u64) -> Result<u16, QtestError> {
        self.read_width(Width::W, address)
    }

    /// Reads four bytes from a physical address, in the guest's byte order.
    pub fn readl(&mut self, address: u64) -> Result<u32, QtestError> {
        self.read_width(Width::L, address)
    }

    /// Reads eight bytes from a physical address, in the guest's byte order.
    pub fn readq(&mut self, address: u64) -> Result<u64, QtestError> {
        self.read_width(Width::Q, address)
    }

    /// Writes a byte to a physical address.
    pub fn writeb(&mut self, address: u64, value: u8) -> Result<(), QtestError> {
        self.write_width(Width::B, address, value.into())
    }

    /// Writes two bytes to a physical address, in the guest's byte order.
    pub fn writew(&mut self, address: u64, value: u16) -> Result<(), QtestError> {
        self.write_width(Width::W, address, value.into())
    }

    /// Writes four bytes to a physical address, in the guest's byte order.
    pub fn writel(&mut self, address: u64, value: u32) -> Result<(), QtestError> {
        self.write_width(Width::L, address, value.into())
    }

    /// Writes eight bytes to a physical address, in the guest's byte order.
    pub fn writeq(&mut self, address: u64, value: u64) -> Result<(), QtestError> {
        self.write_width(Width::Q, address, value)
    }

    /// Reads memory as it lies there.
    pub fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>, QtestError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let command = format!("read {address:#x} {length:#x}");
        let answer = self.command(&command)?;
        let bytes = answer.strip_prefix("0x").and_then(from_hex);
        bytes
            .filter(|bytes| bytes.len() == length)
            .ok_or(QtestError::Answer { command, answer })
    }

    /// Writes memory.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), QtestError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let hex = bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        self.command(&format!("write {address:#x} {:#x} 0x{hex}", bytes.len()))
            .map(drop)
    }

    /// Lets the clock run, to the next timer or by some nanoseconds; gives the new time.
    pub fn clock_step(&mut self, nanoseconds: Option<u64>) -> Result<u64, QtestError> {
        let command = match nanoseconds {
            Some(nanoseconds) => format!("clock_step {nanoseconds}"),
            None => "clock_step".to_owned(),
        };
        self.number(&command)
    }

    /// Reports the interrupts that arrive at a device, by its path in QEMU's object tree.
    pub fn irq_intercept_in(&mut self, path: &str) -> Result<(), QtestError> {
        self.command(&format!("irq_intercept_in {path}")).map(drop)
    }

    /// Reports the interrupts that leave a device.
    pub fn irq_intercept_out(&mut self, path: &str) -> Result<(), QtestError> {
        self.command(&format!("irq_intercept_out {path}")).map(drop)
    }

    /// Whether the guest is big-endian.
    pub fn big_endian(&mut self) -> Result<bool, QtestError> {
        Ok(self.command("endianness")? == "big")
    }

    /// Sends a command and gives what follows `OK`; for commands that have no method here.
    pub fn command(&mut self, command: &str) -> Result<String, QtestError> {
        self.vm
            .send_control(format!("{command}\n").as_bytes(), self.wait)?;
        let deadline = Instant::now() + self.wait;
        loop {
            let line = self.line(command, deadline)?;
            if let Some(irq) = line.strip_prefix("IRQ ") {
                self.irqs.extend(parse_irq(irq));
            } else if let Some(answer) = line.strip_prefix("OK") {
                return Ok(answer.trim().to_owned());
            } else {
                let said = line
                    .trim_start_matches("FAIL")
                    .trim_start_matches("ERR")
                    .trim();
                return Err(QtestError::Refused {
                    command: command.into(),
                    said: said.into(),
                });
            }
        }
    }

    fn line(&mut self, command: &str, deadline: Instant) -> Result<String, QtestError> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            match self.vm.next(deadline) {
                Some(VmEvent::Control(bytes)) => self.received.extend(bytes),
                Some(event) => self.history.note(&event),
                None => {
                    let why = match self.history.exit {
                        Some(exit) => format!("QEMU ended with {exit}"),
                        None => format!("no answer within {} ms", self.wait.as_millis()),
                    };
                    let why = format!("{why}\n{}", self.history.message_tail());
                    let why = why.trim_end().to_owned();
                    return Err(QtestError::Silent {
                        command: command.into(),
                        why,
                    });
                }
            }
        }
    }

    fn input<T: TryFrom<u64>>(&mut self, width: Width, port: u16) -> Result<T, QtestError> {
        self.number(&format!("in{} {port:#x}", width.letter()))
    }

    fn output(&mut self, width: Width, port: u16, value: u32) -> Result<(), QtestError> {
        self.command(&format!("out{} {port:#x} {value:#x}", width.letter()))
            .map(drop)
    }

    fn read_width<T: TryFrom<u64>>(&mut self, width: Width, at: u64) -> Result<T, QtestError> {
        self.number(&format!("read{} {at:#x}", width.letter()))
    }

    fn write_width(&mut self, width: Width, at: u64, value: u64) -> Result<(), QtestError> {
        self.command(&format!("write{} {at:#x} {value:#x}", width.letter()))
            .map(drop)
    }

    /// `0x0000...2a`, or decimal as `clock_step` gives it.
    fn number<T: TryFrom<u64>>(&mut self, command: &str) -> Result<T, QtestError> {
        let answer = self.command(command)?;
        let number = match answer.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => answer.parse().ok(),
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| QtestError::Answer {
                command: command.into(),
                answer,
            })
    }
}

fn command_line(fds: Fds, virtual_clock: bool, arguments: &[&str]) -> Vec<String> {
    let accel = if virtual_clock { "qtest" } else { "tcg" };
    let mut line: Vec<String> = ["-nodefaults", "-no-user-config", "-S", "-display", "none"]
        .into_iter()
        .chain(["-accel", accel])
        .chain(["-mon", "chardev=kiln-qmp,mode=control"])
        .chain(["-qtest", "chardev:qtest", "-qtest-log", "none"])
        .map(str::to_owned)
        .collect();
    // QEMU 7.2 finds the character device of `-qtest` only under the name `qtest`.
    for (id, fd) in [("kiln-qmp", fds.qmp), ("qtest", fds.control)] {
        line.push("-chardev".into());
        line.push(format!("socket,id={id},fd={fd}"));
    }
    line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    line
}

/// `raise 4` or `lower 4`.
fn parse_irq(text: &str) -> Option<Irq> {
    let (what, line) = text.split_once(' ')?;
    let raised = match what {
        "raise" => true,
        "lower" => false,
        _ => return None,
    };
    Some(Irq {
        line: line.trim().parse().ok()?,
        raised,
    })
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_are_read() {
        let check = |text: &str, expect: Option<(u32, bool)>| {
            let irq = parse_irq(text).map(|irq| (irq.line, irq.raised));
            assert_eq!(irq, expect, "{text}");
        };
        check("raise 4", Some((4, true)));
        check("lower 16", Some((16, false)));
        check("bounce 1", None);
        check("raise", None);
        check("raise x", None);
    }

    #[test]
    fn hexadecimal_bytes_need_two_digits() {
        assert_eq!(from_hex("00ff7a"), Some(vec![0, 255, 0x7a]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
        assert_eq!(from_hex("é0"), None);
    }
}
