//! All paths of a guest through up to four QEMUs: stop, cont, migrate (socket, file), cancel, quit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::*;

/// A host with the run state of its QEMU, and the requested snapshots.
#[derive(Clone)]
pub(super) struct Monitor {
    pub(super) state: Arc<Mutex<RunState>>,
    pub(super) snapshots: Arc<Mutex<Vec<SnapshotCommand>>>,
    pub(super) output: Arc<Mutex<String>>,
    pub(super) notes: Arc<Mutex<Vec<String>>>,
    is_ready: Arc<AtomicBool>,
    /// The host script has ended.
    is_abandoned: Arc<AtomicBool>,
}

impl Monitor {
    pub(super) fn new(state: RunState) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
            snapshots: Arc::default(),
            output: Arc::default(),
            notes: Arc::default(),
            is_ready: Arc::default(),
            is_abandoned: Arc::default(),
        }
    }

    fn set(&self, state: RunState) {
        *self.state.lock().unwrap() = state;
    }
}

impl Host for Monitor {
    fn output(&mut self, bytes: &[u8]) {
        *self.output.lock().unwrap() += &String::from_utf8_lossy(bytes);
    }

    fn control(&mut self, _bytes: &[u8]) {}

    fn console(&mut self, _bytes: &[u8]) {}

    fn note(&mut self, text: String) {
        self.notes.lock().unwrap().push(text);
    }

    fn ready(&mut self) {
        self.is_ready.store(true, Ordering::SeqCst);
    }

    fn call(&mut self, call: &Call, _: &Arc<Replies>) -> Option<(i32, String)> {
        Some((0, format!("{}\n", call.word)))
    }

    fn snapshots(&mut self) -> Vec<SnapshotCommand> {
        std::mem::take(&mut self.snapshots.lock().unwrap())
    }

    fn run_state(&mut self) -> RunState {
        *self.state.lock().unwrap()
    }

    fn stop(&mut self) -> Option<Happened> {
        let is_abandoned = self.is_abandoned.load(Ordering::SeqCst);
        is_abandoned.then_some(Happened::Abandoned)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Stop,
    Cont,
    /// To a QEMU that waits for it.
    Socket,
    /// To a file. The QEMU exits, and another one reads the file.
    File,
    /// A cancelled migration.
    Cancel,
    /// Quits the QEMU that the guest left last.
    Quit,
}

/// A QEMU on the path.
struct Station {
    guest: FakeGuest,
    monitor: Monitor,
    conducted: JoinHandle<Conducted>,
    has_quit: bool,
}

impl Station {
    fn start(arrival: &Arrival, limit: Duration, handoff: &Arc<Handoff>) -> Self {
        let (mut vm, guest) = fake(Channel::Virtio);
        let mut policy = super::policy(arrival.clone(), handoff);
        policy.test_limit = limit;
        if *arrival == Arrival::Migration {
            policy.boot_limit = limit;
        }
        let monitor = Monitor::new(match arrival {
            Arrival::Boot | Arrival::Restored(_) => RunState::Running,
            Arrival::Migration => RunState::Incoming,
        });
        let mut host = monitor.clone();
        let conducted =
            std::thread::spawn(move || conduct(&mut vm, &policy, &handover(), &mut host));
        Self {
            guest,
            monitor,
            conducted,
            has_quit: false,
        }
    }

    fn stop(&self, state: RunState) {
        self.monitor.set(state);
        self.guest.qmp("STOP", json!({}));
    }

    fn cont(&self) {
        self.monitor.set(RunState::Running);
        self.guest.qmp("RESUME", json!({}));
    }

    fn quit(&mut self) {
        if !std::mem::replace(&mut self.has_quit, true) {
            let data = json!({"guest": false, "reason": "host-qmp-quit"});
            self.guest.qmp("SHUTDOWN", data);
            self.guest.exits(Exit::Code(0));
        }
    }
}

/// A guest on its path.
struct Journey {
    handoff: Arc<Handoff>,
    /// Time limit of the test from its start.
    limit: Duration,
    stations: Vec<Station>,
    runs: bool,
    /// Whether the guest prints something wherever it runs.
    speaks: bool,
    printed: String,
}

impl Journey {
    fn begin(speaks: bool, limit: Duration) -> Self {
        let handoff = Arc::default();
        let mut first = Station::start(&Arrival::Boot, limit, &handoff);
        first.guest.boots();
        Self {
            handoff,
            limit,
            stations: vec![first],
            runs: true,
            speaks,
            printed: String::new(),
        }
    }

    fn here(&mut self) -> &mut Station {
        self.stations.last_mut().unwrap()
    }

    fn step(&mut self, step: Step) {
        let runs = self.runs;
        match step {
            Step::Stop => self.here().stop(RunState::Stopped),
            Step::Cont => self.here().cont(),
            Step::Cancel if runs => {
                self.here().stop(RunState::Stopped);
                self.here().cont();
            }
            Step::Cancel => {}
            Step::Socket | Step::File => self.migrate(step),
            Step::Quit => {
                let left = self.stations.len() - 1;
                self.stations[left - 1].quit();
            }
        }
        self.runs = match step {
            Step::Stop => false,
            Step::Cont => true,
            _ => runs,
        };
        if self.speaks && self.runs {
            let word = format!("{}\n", self.printed.lines().count());
            self.here().guest.say("out", &word);
            self.printed += &word;
        }
    }

    fn migrate(&mut self, step: Step) {
        let (handoff, limit) = (Arc::clone(&self.handoff), self.limit);
        let start = || Station::start(&Arrival::Migration, limit, &handoff);
        let waiting = (step == Step::Socket).then(start);
        let runs = self.runs;
        let source = self.here();
        if runs {
            source.stop(RunState::Migrated);
        } else {
            source.monitor.set(RunState::Migrated);
        }
        if step == Step::File {
            source.quit();
        }
        let (nonce, seq) = (source.guest.nonce.clone(), source.guest.seq);
        let mut next = waiting.unwrap_or_else(start);
        (next.guest.nonce, next.guest.seq) = (nonce, seq);
        if runs {
            next.cont();
        } else {
            next.monitor.set(RunState::Stopped);
        }
        // Like `wait_ready`.
        let end = monotonic() + self.limit;
        while !next.monitor.is_ready.load(Ordering::SeqCst) && monotonic() < end {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        self.stations.push(next);
    }

    /// The end of each QEMU, whether a guest is still in transit, and the output.
    fn end(self) -> (Vec<(&'static str, Part)>, bool, String) {
        let mut output = String::new();
        let mut ends = Vec::new();
        for station in self.stations {
            let conducted = station.conducted.join().unwrap();
            ends.push((conducted.outcome.label(), conducted.part));
            output += &station.monitor.output.lock().unwrap();
        }
        (ends, self.handoff.is_open(), output)
    }
}

/// All valid sequences of up to this many steps, with at most four QEMUs.
fn sequences(length: usize) -> Vec<Vec<Step>> {
    let all = [
        Step::Stop,
        Step::Cont,
        Step::Socket,
        Step::File,
        Step::Cancel,
        Step::Quit,
    ];
    let mut found = vec![Vec::new()];
    let mut begin = 0;
    for _ in 0..length {
        let end = found.len();
        for index in begin..end {
            for step in all {
                let before = &found[index];
                let last = before
                    .iter()
                    .rfind(|step| matches!(step, Step::Stop | Step::Cont));
                let runs = last != Some(&Step::Stop);
                let is_move = |step: &&Step| matches!(step, Step::Socket | Step::File);
                let moves = before.iter().filter(is_move).count();
                // Only a QEMU that was left over a socket quits, and only once.
                let left = before
                    .iter()
                    .rfind(|step| is_move(step) || **step == Step::Quit);
                let makes_sense = match step {
                    Step::Stop => runs,
                    Step::Cont => !runs,
                    Step::Socket | Step::File => moves < 3,
                    Step::Cancel => before.last() != Some(&Step::Cancel),
                    Step::Quit => left == Some(&Step::Socket),
                };
                if makes_sense {
                    let mut sequence = before.clone();
                    sequence.push(step);
                    found.push(sequence);
                }
            }
        }
        begin = end;
    }
    found
}

/// Runs all sequences in several threads.
fn for_each_sequence(length: usize, check: impl Fn(&[Step]) + Sync) {
    let sequences = sequences(length);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(sequence) = sequences.get(index) else {
                        return;
                    };
                    check(sequence);
                }
            });
        }
    });
}

#[test]
fn guest_passes_on_every_migration_path() {
    for_each_sequence(4, |sequence| {
        for speaks in [false, true] {
            let mut journey = Journey::begin(speaks, Duration::from_secs(60));
            for step in sequence {
                journey.step(*step);
            }
            if !journey.runs {
                journey.step(Step::Cont);
            }
            journey.here().guest.say("end", "0 0");
            let printed = journey.printed.clone();
            let (mut ends, is_open, output) = journey.end();
            let last = ends.pop();
            assert_eq!(last, Some(("passed", Part::Last)), "{sequence:?} {speaks}");
            let passed = |end: &(&str, Part)| *end == ("passed", Part::Passage);
            assert!(ends.iter().all(passed), "{sequence:?} {speaks} {ends:?}");
            assert!(!is_open, "{sequence:?} {speaks}");
            assert_eq!(output, printed, "{sequence:?}");
        }
    });
}

#[test]
fn guest_whose_qemu_quits_never_passes() {
    for_each_sequence(2, |sequence| {
        let mut journey = Journey::begin(false, Duration::from_secs(2));
        for step in sequence {
            journey.step(*step);
        }
        journey.here().quit();
        while !journey.here().conducted.is_finished() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        for station in &journey.stations {
            station.monitor.is_abandoned.store(true, Ordering::SeqCst);
        }
        let (ends, is_open, _) = journey.end();
        let has_end = ends.contains(&("passed", Part::Last));
        let is_lost = ends.iter().any(|(word, _)| *word != "passed");
        assert!(!has_end && (is_lost || is_open), "{sequence:?} {ends:?}");
    });
}
