//! Many processes at once: one store, one recipe. The work is done once, whoever is killed; and a
//! collection of garbage beside them takes nothing that is in use.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plan::digest::Digest;

use crate::disk;
use crate::place::{XTASK, act, told};

const PROCESSES: usize = 16;
/// Rounds in which some of them are killed: by `KILN_CROWDS`, else so many.
const ROUNDS: u64 = 2;
/// How long garbage is collected beside its makers: by `KILN_GC_SECONDS`, else so long.
const GC_SECONDS: u64 = 4;

/// A server that gives one file to whoever asks, and counts.
struct Server {
    url: String,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    fn with(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counts = Arc::new(Mutex::new(BTreeMap::new()));
        let seen = Arc::clone(&counts);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (bytes, seen) = (bytes.clone(), Arc::clone(&seen));
                // Who is killed while it listens is no matter here.
                std::thread::spawn(move || drop(answer(&stream, &bytes, &seen)));
            }
        });
        Self { url, counts }
    }

    fn counts(&self) -> BTreeMap<String, usize> {
        self.counts.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: &TcpStream,
    bytes: &[u8],
    seen: &Mutex<BTreeMap<String, usize>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    *seen.lock().unwrap().entry(path).or_default() += 1;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    )?;
    stream.write_all(bytes)
}

/// A repository with one recipe, whose source a server has, and an image that is its output.
struct Crowd {
    home: tempfile::TempDir,
    server: Server,
}

impl Crowd {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let images = home.path().join("repo/images");
        std::fs::create_dir_all(&images).unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
        let copied = Command::new("cp")
            .args(["-r", "aarch64", "aarch64.toml", "common", "host-tools.toml"])
            .args(["keys.toml".as_ref(), images.as_os_str()])
            .current_dir(ours)
            .status();
        assert!(copied.unwrap().success());
        let mut archive = tar::Builder::new(Vec::new());
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, "tiny/bytes", &bytes[..])
            .unwrap();
        let archive = archive.into_inner().unwrap();
        let (size, sha256) = (archive.len(), Digest::of(&archive));
        let crowd = Self {
            home,
            server: Server::with(archive),
        };
        let url = &crowd.server.url;
        let head = "version = \"1\"\nlicense = \"MIT\"\nsummary = \"one file\"\nscope = \"arch\"\n\
            product = \"image\"\n";
        crowd.write("images/images.lock", "version = 1\n");
        crowd.write(
            "recipes/image/recipe.toml",
            &format!(
                "name = \"image\"\n{head}[gather]\n\
                 kernel = {{ recipe = \"tiny\", path = \"kernel\" }}\n"
            ),
        );
        crowd.write(
            "recipes/tiny/recipe.toml",
            &format!(
                "name = \"tiny\"\n{head}script = \"build.sh.hbs\"\n\
                 [[source]]\nname = \"tiny\"\nfile = \"tiny.tar\"\nsize = {size}\n\
                 sha256 = \"{sha256}\"\nlocations = [\"{url}/tiny.tar\"]\n"
            ),
        );
        crowd.write(
            "recipes/tiny/build.sh.hbs",
            "sleep 0.3\ncp \"$SRC/tiny/bytes\" \"$OUT/kernel\"\n",
        );
        crowd
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.home.path().join("repo").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn store(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// One of the many.
    fn build(&self, store: &str) -> Child {
        let mut command = Command::new(XTASK);
        for name in [
            "KILN_MIRROR",
            "CARGO_TERM_COLOR",
            "http_proxy",
            "HTTP_PROXY",
        ] {
            command.env_remove(name);
        }
        command
            .env("CARGO_MANIFEST_DIR", self.home.path().join("repo/xtask"))
            .env("KILN_STORE", self.store(store))
            .env("KILN_DEBIAN_MIRROR", &self.server.url)
            .env("NO_COLOR", "1")
            .args(["images", "--arch", "aarch64"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn builds(&self, store: &str) -> Vec<Child> {
        (0..PROCESSES).map(|_| self.build(store)).collect()
    }
}

/// What those that were not killed say, which is one thing, and how many of them built.
fn agree(children: Vec<Child>) -> (BTreeSet<String>, usize) {
    let mut said = BTreeSet::new();
    let mut built = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let (code, out, err) = told(&output);
        if code == -1 {
            continue;
        }
        assert_eq!(code, 0, "{err}");
        built += err.matches("Built tiny").count();
        said.insert(out);
    }
    (said, built)
}

#[test]
fn sixteen_at_once_fetch_and_build_once() {
    let crowd = Crowd::new();
    let (said, built) = agree(crowd.builds("store"));
    assert_eq!((said.len(), built), (1, 1), "{said:?}");
    assert_eq!(
        crowd.server.counts(),
        BTreeMap::from([("/tiny.tar".to_owned(), 1)])
    );
    let state = disk::state(&crowd.store("store"));
    assert!(state.wrong.is_empty(), "{state:?}");
    assert!(
        !state.names.iter().any(|name| name.starts_with("tmp/")),
        "{state:?}"
    );
}

#[test]
fn sixteen_of_whom_half_are_killed_come_to_the_same() {
    let crowd = Crowd::new();
    let (expected, _) = agree(vec![crowd.build("store-0")]);
    let rounds = std::env::var("KILN_CROWDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = 1_u64;
    for round in 1..=rounds {
        let store = format!("store-{round}");
        let mut children = crowd.builds(&store);
        for child in children.iter_mut().step_by(2) {
            // Random numbers that are the same each time (with the multiplier of Knuth's MMIX).
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_millis((random >> 33) % 200));
            child.kill().unwrap();
        }
        let (said, _) = agree(children);
        let here = |out: &String| out.replace("/store-0/", &format!("/{store}/"));
        assert_eq!(said, expected.iter().map(here).collect());
        // And so does who comes later, for whom nothing is left to do or to wait for.
        let (_, built) = agree(vec![crowd.build(&store)]);
        assert_eq!(built, 0);
        let state = disk::state(&crowd.store(&store));
        assert!(state.wrong.is_empty(), "{state:?}");
        assert!(
            !state.names.iter().any(|name| name.starts_with("tmp/")),
            "{state:?}"
        );
    }
}

#[test]
fn garbage_is_collected_beside_its_makers_and_never_what_they_use() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let seconds = std::env::var("KILN_GC_SECONDS");
    let seconds = seconds.map_or(GC_SECONDS, |seconds| seconds.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let run = |words: &[&str]| {
        let output = Command::new(act())
            .arg(&store)
            .args(words)
            .output()
            .unwrap();
        let (code, out, err) = told(&output);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    };
    let (uses, collections, collected) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let failed = AtomicBool::new(false);
    let goes_on = || Instant::now() < end && !failed.load(Ordering::Relaxed);
    let guarded = |work: &dyn Fn()| {
        while goes_on() {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            failed.fetch_or(done.is_err(), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for number in ["1", "2", "3"] {
            let (guarded, uses, run) = (&guarded, &uses, &run);
            scope.spawn(move || {
                guarded(&|| {
                    assert_eq!(run(&["use", number]), "done\n");
                    uses.fetch_add(1, Ordering::Relaxed);
                });
            });
        }
        scope.spawn(|| {
            guarded(&|| {
                let out = run(&["gc"]);
                collections.fetch_add(1, Ordering::Relaxed);
                let gone = out.lines().find_map(|line| line.strip_prefix("collected "));
                collected.fetch_add(gone.unwrap().parse().unwrap(), Ordering::Relaxed);
            });
        });
    });
    assert!(!failed.into_inner());
    let (uses, collected) = (uses.into_inner(), collected.into_inner());
    eprintln!(
        "{uses} uses beside {} collections of {collected} things",
        collections.into_inner()
    );
    assert!(uses > 0 && collected > 0);
}
