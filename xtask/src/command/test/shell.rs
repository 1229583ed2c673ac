//! `test --shell-on-fail`: controls the terminal while a guest offers a shell.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use guest::debug::Keyboard;
use host::terminal::Raw;
use verdict::event::RunEvent;

use crate::cli::TestArgs;

/// Ctrl-]. All other keys go to the guest, including Ctrl-C.
pub(crate) const END_KEY: u8 = 0x1d;

/// The two ends of the keyboard channel, if requested: for the guests and for the terminal.
pub(super) fn keyboard(args: &TestArgs) -> (Option<Arc<Keyboard>>, Option<Sender<Vec<u8>>>) {
    if !args.debug.shell_on_fail {
        return (None, None);
    }
    let (sender, keys) = mpsc::channel();
    (Some(Arc::new(Keyboard::new(keys))), Some(sender))
}

/// The state of the terminal during a run.
pub(super) struct Shell {
    keys: Option<Sender<Vec<u8>>>,
    /// The terminal is in raw mode while this is held.
    raw: Option<Raw>,
}

impl Shell {
    pub(super) fn new(keys: Option<Sender<Vec<u8>>>) -> Self {
        Self { keys, raw: None }
    }

    /// Opens the shell when a guest does, and closes it when that guest's test ends.
    pub(super) fn follow(&mut self, event: &RunEvent) {
        match event {
            RunEvent::ShellOpened { .. } => {
                self.raw = Raw::enter();
                // One reader serves all shells of a run. It waits for keys until the program ends.
                if let Some(keys) = self.keys.take() {
                    std::thread::spawn(move || read(&keys));
                }
            }
            RunEvent::TestFinished(_) => self.raw = None,
            _ => {}
        }
    }
}

fn read(keys: &Sender<Vec<u8>>) {
    let mut bytes = [0; 1024];
    while let Ok(length @ 1..) = std::io::stdin().read(&mut bytes) {
        if bytes[..length].contains(&END_KEY) {
            host::interrupt::raise();
            return;
        }
        if keys.send(bytes[..length].to_vec()).is_err() {
            return;
        }
    }
}
