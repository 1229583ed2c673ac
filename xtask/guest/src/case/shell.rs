//! The helper commands of `guest-tests/lib/shell.sh`, which connect a user's terminal with a shell in the
//! guest, and the registration of a guest for users who attach to it.

use attach::shell::ShellPort;
use attach::{GuestSpec, Registered};
use camino::Utf8Path;
use host::wait::Limit;
use qemu::qmp;
use session::protocol::Call;

use super::Case;
use helpers::Reply;

/// Whether this is one of the commands.
pub(super) fn is_command(word: &str) -> bool {
    word.starts_with("shell_")
}

/// Carries out a command, or returns `None` if it is unknown.
pub(super) fn answer(port: &ShellPort, call: &Call, is_gone: &dyn Fn() -> bool) -> Option<Reply> {
    let limit = Limit::unless(is_gone);
    let (word, args) = (call.word.as_str(), call.args.as_slice());
    if word == "shell_user" {
        let user = port.user(limit);
        return Some(user.map_or_else(gone, |(user, (columns, rows))| {
            Reply::done(format!("{user} {columns} {rows}\n"))
        }));
    }
    let (user, text) = args.split_first()?;
    let user = user.parse().ok()?;
    match word {
        "shell_keys" => Some(port.keys(user, limit).map_or_else(gone, Reply::done)),
        // The protocol separates arguments by zero bytes, which a shell may print too. Nothing more
        // follows an empty text.
        "shell_output" => match text.join("\0") {
            text if text.is_empty() || !port.output(user, &text) => Some(gone()),
            _ => Some(Reply::done("")),
        },
        "shell_end" => {
            port.end(user);
            Some(Reply::done(""))
        }
        _ => None,
    }
}

/// The user or the guest has gone.
fn gone() -> Reply {
    Reply {
        status: 1,
        stdout: String::new(),
        stderr: String::new(),
    }
}

impl Case<'_> {
    /// Registers a QEMU that was just started.
    pub(super) fn register(
        &self,
        name: Option<String>,
        monitor: &qmp::Client,
        sockets: &Utf8Path,
    ) -> Registered {
        let debug = &self.setting.config.debug;
        let kernel = self.setting.arch.kernel();
        self.setting.config.live.register(GuestSpec {
            arch: self.setting.arch.arch.name.clone(),
            test: self.setting.test.test.name(),
            name,
            monitor: monitor.clone(),
            clock: Some(self.clock.clone()),
            sockets: sockets.to_owned(),
            has_gdb: debug.gdb.is_some(),
            symbols: kernel.and_then(|kernel| kernel.symbols.clone()),
            is_own_kernel: kernel.is_some(),
            no_shell: (!debug.offers_shell()).then_some("this run offers no shell: add `--shell`"),
        })
    }
}
