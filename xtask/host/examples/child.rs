//! The program that `tests/lifetime.rs` starts and kills. Its main function goes through the guard.

use std::io::{BufRead as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Stdio};
use host::scratch::Scratch;
use host::{guard, interrupt};

const LIMIT: Duration = Duration::from_secs(60);

fn main() -> std::process::ExitCode {
    guard::run_if_asked();
    #[expect(clippy::disallowed_methods, reason = "a test program has no clap")]
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let status = match words[..] {
        // Runs a command in the guard and returns its status.
        ["run", ref argv @ ..] => Command::from_argv(argv)
            .run(LIMIT)
            .map(host::process::ExitStatus::shell_code),
        // Starts a long-lived command, prints its process id and directory, and waits for its end.
        ["hold", directory, ref argv @ ..] => hold(directory, Command::from_argv(argv)),
        ["hold-family", directory, ref argv @ ..] => {
            hold(directory, Command::from_argv(argv).whole_family())
        }
        // Prints the modes of a scratch directory, of its lock and of an ordinary new file.
        ["modes", directory] => print_modes(directory).map_err(spawn_error),
        _ => Ok(2),
    };
    match status {
        Ok(code) => std::process::ExitCode::from(u8::try_from(code).unwrap_or(255)),
        Err(host::process::ProcessError::Interrupted(interrupted)) => {
            std::process::ExitCode::from(interrupted.0.exit_code())
        }
        Err(_) => std::process::ExitCode::from(101),
    }
}

fn spawn_error(source: std::io::Error) -> host::process::ProcessError {
    host::process::ProcessError::Spawn {
        program: "child".to_owned(),
        source,
    }
}

fn print_modes(directory: &str) -> std::io::Result<i32> {
    let scratch = Scratch::new_in(directory.into(), "run")?;
    host::scratch::restrict_umask();
    let file = Utf8PathBuf::from(directory).join("file");
    fs_err::write(&file, "")?;
    let mode = |path: &Utf8Path| -> std::io::Result<String> {
        let mode = fs_err::metadata(path)?.permissions().mode() & 0o7777;
        Ok(format!("{mode:o}"))
    };
    let lock = scratch.path().join(".lock");
    let modes = [mode(scratch.path())?, mode(&lock)?, mode(&file)?];
    writeln!(std::io::stdout(), "{}", modes.join(" "))?;
    Ok(0)
}

fn hold(directory: &str, command: Command) -> Result<i32, host::process::ProcessError> {
    let spawn = spawn_error;
    interrupt::install().map_err(spawn)?;
    let scratch = Scratch::new_in(directory.into(), "run").map_err(spawn)?;
    let mut running = command.stdout(Stdio::Pipe).spawn()?;
    let mut line = String::new();
    if let Some(stdout) = running.stdout.take() {
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(spawn)?;
    }
    let said = format!("{} {} {}\n", running.pid(), line.trim(), scratch.path());
    std::io::stdout()
        .write_all(said.as_bytes())
        .map_err(spawn)?;
    let status = running.wait(LIMIT);
    interrupt::check()?;
    Ok(status.map_or(3, host::process::ExitStatus::shell_code))
}
