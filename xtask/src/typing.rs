//! Types input that does not come from a terminal into the shell of `boot`.

use std::io::{self, IsTerminal as _, Write};
use std::sync::mpsc::{Sender, channel};

use host::process::Stdio;

/// The end of a root shell's prompt, busybox's or bash's. What QEMU gets before the first one is
/// lost: the kernel empties the serial port when it takes the port over from the firmware.
const PROMPT: &[u8] = b"# ";

/// QEMU's stdin. It reads a terminal itself.
pub(crate) fn stdin() -> Stdio {
    if io::stdin().is_terminal() {
        Stdio::Inherit
    } else {
        Stdio::Pipe
    }
}

/// Waits for the prompt in the guest's output.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    prompt: Option<Sender<()>>,
    /// The end of the bytes read before.
    rest: Vec<u8>,
}

impl Typing {
    /// Copies this program's stdin to QEMU's after the prompt. Does nothing if QEMU reads a terminal.
    pub(crate) fn of(qemu: Option<impl Write + Send + 'static>) -> Self {
        let Some(mut qemu) = qemu else {
            return Self::default();
        };
        let (prompt, at_prompt) = channel();
        std::thread::spawn(move || {
            if at_prompt.recv().is_ok() {
                // A QEMU that has exited reads nothing more.
                let _ = io::copy(&mut io::stdin().lock(), &mut qemu);
            }
        });
        Self {
            prompt: Some(prompt),
            rest: Vec::new(),
        }
    }

    /// Takes output of the guest.
    pub(crate) fn watch(&mut self, bytes: &[u8]) {
        if self.prompt.is_none() {
            return;
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.windows(PROMPT.len()).any(|part| part == PROMPT)
            && let Some(prompt) = self.prompt.take()
        {
            let _ = prompt.send(());
        }
        let keep = self.rest.len().saturating_sub(PROMPT.len());
        self.rest.drain(..keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_is_found_across_chunks() {
        let text = b"[    1.0] Run /init as init process\r\n~ # ";
        for at in 0..text.len() {
            let (prompt, at_prompt) = channel();
            let mut typing = Typing {
                prompt: Some(prompt),
                rest: Vec::new(),
            };
            let (first, rest) = text.split_at(at);
            typing.watch(first);
            assert!(at_prompt.try_recv().is_err(), "{at}");
            typing.watch(rest);
            assert!(at_prompt.try_recv().is_ok(), "{at}");
        }
    }
}
