//! The backtrace of a crashed QEMU, from its core dump.
//!
//! The host determines whether and where a dump is written (core(5)). If the kernel pipes dumps to
//! a program, no backtrace is made.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::Command;

/// Time limit for gdb to read a QEMU with symbols.
const WAIT: Duration = Duration::from_secs(120);
/// The kernel's pattern of a dump's name.
const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// A crashed QEMU.
#[derive(Debug, Clone, Copy)]
pub struct Crashed<'a> {
    /// The binary.
    pub binary: &'a Utf8Path,
    /// Its working directory.
    pub directory: &'a Utf8Path,
    /// Its process id.
    pub pid: u32,
    /// The search path for programs.
    pub path: &'a [Utf8PathBuf],
}

/// Writes the backtrace of every thread to `log`. Returns a note, or `None` without a dump.
pub fn keep(crashed: Crashed<'_>, log: &Utf8Path) -> std::io::Result<Option<String>> {
    let pattern = fs_err::read_to_string(PATTERN).unwrap_or_default();
    let Some((directory, prefix)) = location(pattern.trim(), crashed.directory) else {
        return Ok(None);
    };
    let Some(core) = find(&directory, &prefix, crashed)? else {
        return Ok(None);
    };
    let Some(gdb) = host::tools::find_in("gdb", crashed.path) else {
        return Ok(Some(
            "QEMU left a core dump; install gdb to get a backtrace".to_owned(),
        ));
    };
    let command = Command::new(gdb).args(["-q", "-nx", "-batch"]);
    let command = command.args(["-ex", "thread apply all backtrace"]);
    let output = command.arg(crashed.binary).arg(&core).output(WAIT);
    let output = output.map_err(std::io::Error::other)?;
    fs_err::write(log, [output.stdout, output.stderr].concat())?;
    fs_err::remove_file(core)?;
    Ok(Some(format!("the backtrace of QEMU is in {log}")))
}

/// The folder of dumps and the prefix of their names, or `None` if a program receives them.
fn location(pattern: &str, working: &Utf8Path) -> Option<(Utf8PathBuf, String)> {
    if pattern.is_empty() || pattern.starts_with('|') {
        return None;
    }
    let (folder, name) = match pattern.rsplit_once('/') {
        Some((folder, _)) if folder.contains('%') => return None,
        Some((folder, name)) => (working.join(format!("{folder}/")), name),
        None => (working.to_owned(), pattern),
    };
    let prefix = name.split('%').next().unwrap_or_default();
    Some((folder, prefix.to_owned()))
}

/// Finds a dump in that folder. In a shared folder, its name must contain the process id.
fn find(
    directory: &Utf8Path,
    prefix: &str,
    crashed: Crashed<'_>,
) -> std::io::Result<Option<Utf8PathBuf>> {
    let is_own = directory == crashed.directory;
    let pid = crashed.pid.to_string();
    for entry in fs_err::read_dir(directory)? {
        let Ok(path) = Utf8PathBuf::from_path_buf(entry?.path()) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default();
        let rest = name.strip_prefix(prefix);
        let numbers = |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).any(|n| n == pid);
        if rest.is_some_and(|rest| (is_own && rest.is_empty()) || numbers(rest)) && is_elf(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_elf(path: &Utf8Path) -> std::io::Result<bool> {
    use std::io::Read as _;
    let mut magic = [0; 4];
    let read = fs_err::File::open(path)?.read(&mut magic)?;
    Ok(magic[..read] == *b"\x7fELF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_dumps_are_found_where_the_kernel_writes() {
        let check = |pattern: &str, expect: Option<(&str, &str)>| {
            let found = location(pattern, Utf8Path::new("/run"));
            let found = found.as_ref();
            let found = found.map(|(folder, name)| (folder.as_str(), name.as_str()));
            assert_eq!(found, expect, "{pattern}");
        };
        check("core", Some(("/run", "core")));
        check("core.%e.%p", Some(("/run", "core.")));
        check("/var/crash/core.%p", Some(("/var/crash/", "core.")));
        check("crash/core", Some(("/run/crash/", "core")));
        check("/var/%u/core", None);
        check("|/usr/lib/systemd/systemd-coredump %P", None);
        check("", None);
    }

    #[test]
    fn core_dump_is_matched_by_process_id() {
        let dir = tempfile::tempdir().unwrap();
        let own = Utf8Path::from_path(dir.path()).unwrap();
        let check = |name: &str, content: &str, working: &Utf8Path, expect: bool| {
            let file = own.join(name);
            fs_err::write(&file, content).unwrap();
            let crashed = Crashed {
                binary: own,
                directory: working,
                pid: 42,
                path: &[],
            };
            let found = find(own, "core", crashed).unwrap();
            assert_eq!(found.is_some(), expect, "{name}");
            fs_err::remove_file(file).unwrap();
        };
        let other = Utf8Path::new("/other");
        check("core", "\x7fELF...", own, true);
        check("core", "\x7fELF...", other, false);
        check("core.42", "\x7fELF...", other, true);
        check("core.qemu.42", "\x7fELF...", own, true);
        check("core.421", "\x7fELF...", own, false);
        check("core", "text", own, false);
        check("core", "", own, false);
    }
}
