//! Power cuts: a guest writes into a store on ext4 and reports what is committed. It is reset at a
//! random time, the disk loses unflushed writes, and the next boot must find everything that was
//! reported.
//!
//! Covered: the guest's memory is lost; each write since the disk's last flush is kept or lost at
//! random, in any order; cuts during the replay of a journal. Not covered: other file systems, and
//! partially written requests. `KILN_POWER_CUTS=200` sets the number of cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use plan::cpio::{self, Entry, Node};

use crate::writes::Log;
use harness::store::{act, has, offline};
use harness::unsuited;

/// Default of `KILN_POWER_CUTS`, the number of cuts.
const CUTS: u64 = 4;
/// Cuts per disk, limited so that the check of its contents stays short.
const CUTS_A_DISK: u64 = 8;
/// The guest writes for at most this many milliseconds. The journal is committed every five seconds
/// and file contents much later, so that within this time nothing is written without a sync.
const SPAN_MS: u64 = 1600;
/// A guest that prints nothing for this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

const INIT: &str = "#!/bin/sh
mount -t proc none /proc
mount -t devtmpfs none /dev
mkdir /disk
echo up
mount -t ext4 /dev/vda /disk || echo cannot mount
act() { /power/loader --library-path /power/lib /power/act /disk/store \"$@\"; }
mkdir -p /disk/home && act look $END && echo looked
test ! -e /power/lib/unsafe.so || export LD_PRELOAD=/power/lib/unsafe.so
act go-on $FIRST
sleep 1000
";

/// A fixed sequence of random numbers (with the multiplier of Knuth's MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A guest whose power can be cut.
struct Bench {
    home: tempfile::TempDir,
    random: Random,
}

/// The output of a boot until its cut.
#[derive(Default)]
struct BootLog {
    /// The contents of the store when it was opened, such as `blob 3`.
    has: BTreeSet<String>,
    /// Items reported as committed since, with the number of disk requests at that time.
    ready: BTreeMap<String, u64>,
    /// Entries that were quarantined during the check.
    quarantined: BTreeSet<String>,
    /// Whether the check was completed.
    looked: bool,
}

/// The results of all cuts.
#[derive(Default)]
struct Sum {
    cuts: u64,
    during_recovery: u64,
    ready: usize,
    /// Cuts that lost unflushed writes, and the number of these writes.
    with_losses: u64,
    writes_lost: usize,
    /// Committed toolchains that were lost. Their files are not synced by design.
    toolchains_lost: usize,
    /// Any other committed items that were lost.
    lost: Vec<String>,
}

impl Bench {
    /// `None` if something is not installed.
    fn new(is_safe: bool) -> Option<Self> {
        let arch = std::env::consts::ARCH;
        let qemu = format!("qemu-system-{arch}");
        if arch != "x86_64" {
            unsuited("only a guest of x86_64 can run the host's programs");
            return None;
        }
        if !(has("mkfs.ext4", "-V") && has(&qemu, "--version") && has("cc", "--version")) {
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let (code, image, err) = offline(&home.path().join("images"), &["store", "path", arch]);
        assert_eq!(code, 0, "{err}");
        let image = PathBuf::from(image.trim());
        std::os::unix::fs::symlink(image.join("kernel"), home.path().join("kernel")).unwrap();
        let mut archive = std::fs::read(image.join("initramfs.cpio")).unwrap();
        archive.extend(cpio::archive(&overlay(home.path(), is_safe), 0).unwrap());
        std::fs::write(home.path().join("initramfs"), archive).unwrap();
        let random = Random(1);
        Some(Self { home, random })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Creates an empty file system, fully written.
    fn format(&self) {
        let disk = std::fs::File::create(self.path("disk")).unwrap();
        disk.set_len(48 << 20).unwrap();
        let lazy = "lazy_itable_init=0,lazy_journal_init=0";
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-F", "-b", "4096", "-J", "size=4", "-E", lazy]);
        assert!(mkfs.arg(self.path("disk")).status().unwrap().success());
    }

    fn boot(&self, end: u64) -> Guest {
        std::fs::copy(self.path("disk"), self.path("before")).unwrap();
        let _ = std::fs::remove_file(self.path("qmp"));
        std::fs::write(self.path("log"), "").unwrap();
        let file = |node: &str, name: &str| {
            let path = self.path(name).display().to_string();
            format!("driver=file,node-name={node},filename={path}")
        };
        let logged =
            "driver=blklogwrites,node-name=disk,file=data,log=log,log-super-update-interval=1";
        let words =
            format!("console=ttyS0 rdinit=/power/init loglevel=4 panic=-1 FIRST={end} END={end}");
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-accel", "tcg", "-M", "q35,sata=off,smbus=off", "-m", "256"])
            .args([
                "-blockdev",
                &file("data", "disk"),
                "-blockdev",
                &file("log", "log"),
            ])
            .args(["-blockdev", logged, "-device", "virtio-blk-pci,drive=disk"])
            .args(["-append", &words, "-serial", "stdio"])
            .args([
                "-qmp",
                &format!("unix:{},server=on,wait=off", self.path("qmp").display()),
            ])
            .arg("-kernel")
            .arg(self.path("kernel"))
            .arg("-initrd")
            .arg(self.path("initramfs"));
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let console = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in console.lines().map_while(Result::ok) {
                let _ = sender.send(line.trim_end().to_owned());
            }
        });
        Guest {
            child,
            lines,
            boot_log: BootLog::default(),
            kernel: Vec::new(),
            log: self.path("log"),
        }
    }

    /// Boots, lets the guest write, and cuts the power. The disk then has a possible state after a
    /// cut.
    fn cut(&mut self, end: u64, sum: &mut Sum) -> BootLog {
        let mut guest = self.boot(end);
        guest.until("up");
        // One cut in eight happens while the file system is mounted and checked.
        let early = self.random.below(8) == 0;
        if !early {
            guest.until("looked");
        }
        let span = if early { SPAN_MS / 4 } else { SPAN_MS };
        guest.listen(Duration::from_millis(self.random.below(span)));
        reset(&self.path("qmp"));
        let mut boot_log = guest.killed();
        std::fs::rename(self.path("before"), self.path("disk")).unwrap();
        let log = Log::open(&self.path("log"));
        // A guest is rarely reset while a request waits for its flush. Therefore half of the cuts
        // are moved back to a random earlier time, with the items committed by then.
        let end = match self.random.below(2) {
            0 => log.len(),
            _ => self.random.below(log.len() + 1),
        };
        boot_log.ready.retain(|_, known| *known <= end);
        let lost = log.replay(&self.path("disk"), end, || self.random.below(2) == 0);
        sum.writes_lost += lost;
        sum.with_losses += u64::from(lost > 0);
        boot_log
    }

    /// Cuts until the number is reached or `stop` returns true. Each disk is checked once more at
    /// the end.
    fn cuts(&mut self, cuts: u64, stop: impl Fn(&Sum) -> bool) -> Sum {
        let mut sum = Sum::default();
        while sum.cuts < cuts && !stop(&sum) {
            self.format();
            let mut ready = BTreeSet::new();
            let mut left = CUTS_A_DISK.min(cuts - sum.cuts);
            while !stop(&sum) {
                let boot_log = self.cut(next(&ready), &mut sum);
                if boot_log.looked {
                    check(&boot_log, &ready, &mut sum);
                    ready.clone_from(&boot_log.has);
                }
                // A cut without a later check does not count.
                if left == 0 && boot_log.looked {
                    break;
                }
                sum.ready += boot_log.ready.len();
                sum.during_recovery += u64::from(!boot_log.looked);
                sum.cuts += 1;
                ready.extend(boot_log.ready.into_keys());
                left = left.saturating_sub(1);
            }
        }
        sum
    }
}

/// The number after all used ones.
fn next(ready: &BTreeSet<String>) -> u64 {
    let numbers = ready
        .iter()
        .filter_map(|thing| thing.split(' ').nth(1)?.parse().ok());
    numbers.max().map_or(0, |last: u64| last + 1)
}

/// Compares the contents found by a boot with the items committed before it.
fn check(boot_log: &BootLog, ready: &BTreeSet<String>, sum: &mut Sum) {
    let has_root = boot_log.has.contains("root 1");
    for thing in ready.difference(&boot_log.has) {
        match thing.split(' ').next() {
            Some("toolchain") => sum.toolchains_lost += 1,
            Some("root") if has_root => {}
            _ => sum.lost.push(thing.clone()),
        }
    }
    let images = boot_log
        .quarantined
        .iter()
        .filter(|thing| thing.starts_with("image"));
    sum.lost
        .extend(images.map(|thing| format!("half of {thing}")));
}

/// The program, its libraries, and the test's own init.
fn overlay(home: &Path, is_safe: bool) -> Vec<Entry> {
    let program = home.join("act");
    let stripped = Command::new("strip")
        .arg("-o")
        .arg(&program)
        .arg(act())
        .status();
    assert!(stripped.unwrap().success());
    let file = |path: &str, bytes: Vec<u8>| Entry {
        path: path.to_owned(),
        mode: 0o755,
        node: Node::File(bytes),
    };
    let directory = |path: &str| Entry {
        path: path.to_owned(),
        mode: 0o755,
        node: Node::Directory,
    };
    let mut entries = vec![
        directory("power"),
        directory("power/lib"),
        file("power/init", INIT.into()),
        file("power/act", std::fs::read(&program).unwrap()),
    ];
    let linked = Command::new("ldd").arg(&program).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    for path in linked
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(path).unwrap();
        entries.push(if name.starts_with("ld-") {
            file("power/loader", bytes)
        } else {
            file(&format!("power/lib/{name}"), bytes)
        });
    }
    if !is_safe {
        entries.push(file("power/lib/unsafe.so", without_syncs(home)));
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

/// A library that makes every sync do nothing.
fn without_syncs(home: &Path) -> Vec<u8> {
    let source = home.join("unsafe.c");
    let text = "int fsync(int fd) { return fd < 0; }\nint fdatasync(int fd) { return fd < 0; }\n";
    std::fs::write(&source, text).unwrap();
    let library = home.join("unsafe.so");
    let mut cc = Command::new("cc");
    let cc = cc
        .args(["-shared", "-fPIC", "-nostdlib", "-o"])
        .args([&library, &source]);
    assert!(cc.status().unwrap().success());
    std::fs::read(library).unwrap()
}

/// A running guest.
struct Guest {
    child: Child,
    lines: Receiver<String>,
    boot_log: BootLog,
    /// Kernel messages, to find out why a guest ended.
    kernel: Vec<String>,
    log: PathBuf,
}

impl Guest {
    /// Handles one line of output. Returns `false` after the last one.
    fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "has" => drop(self.boot_log.has.insert(rest.to_owned())),
            "ready" => {
                let known = Log::len_so_far(&self.log);
                self.boot_log.ready.insert(rest.to_owned(), known);
            }
            "quarantined" => drop(self.boot_log.quarantined.insert(rest.to_owned())),
            "looked" => self.boot_log.looked = true,
            "up" | "done" => {}
            // Messages of the kernel.
            _ if line.starts_with('[') => self.kernel.push(line.to_owned()),
            _ => panic!("the guest says: {line}"),
        }
    }

    fn until(&mut self, word: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("{error}: {:?}", self.kernel));
            self.hear(&line);
            if line == word {
                return;
            }
        }
    }

    fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.hear(&line),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the guest has ended"),
            }
        }
    }

    /// Kills QEMU after the reset, before the next boot does anything and without the flush of an
    /// orderly exit. An incomplete last line is ignored.
    fn killed(mut self) -> BootLog {
        self.child.kill().unwrap();
        let mut last = None;
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if let Some(line) = last.replace(line) {
                self.hear(&line);
            }
        }
        std::mem::take(&mut self.boot_log)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `system_reset` and waits for it.
fn reset(path: &Path) {
    let mut stream = UnixStream::connect(path).unwrap();
    let answers = BufReader::new(stream.try_clone().unwrap()).lines();
    for command in ["qmp_capabilities", "system_reset"] {
        writeln!(stream, "{{\"execute\": \"{command}\"}}").unwrap();
    }
    let mut answers = answers.map_while(Result::ok);
    assert!(answers.any(|line| line.contains("\"RESET\"")));
}

#[test]
fn committed_entries_survive_power_cuts() {
    let Some(mut bench) = Bench::new(true) else {
        return;
    };
    let cuts = std::env::var("KILN_POWER_CUTS").map_or(CUTS, |cuts| cuts.parse().unwrap());
    let sum = bench.cuts(cuts, |sum| !sum.lost.is_empty());
    eprintln!(
        "{} cuts ({} while mounting or looking), {} things ready, {} unflushed writes lost \
         in {} of them, \
         {} toolchains lost",
        sum.cuts,
        sum.during_recovery,
        sum.ready,
        sum.writes_lost,
        sum.with_losses,
        sum.toolchains_lost
    );
    assert_eq!(sum.lost, Vec::<String>::new());
    assert!(sum.ready > 0 && sum.cuts >= cuts);
}

#[test]
fn without_syncs_power_cuts_lose_entries() {
    let Some(mut bench) = Bench::new(false) else {
        return;
    };
    let sum = bench.cuts(CUTS_A_DISK, |sum| !sum.lost.is_empty());
    assert_ne!(
        sum.lost,
        Vec::<String>::new(),
        "a cut takes nothing: it is none"
    );
}
