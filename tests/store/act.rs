//! Performs one action on a store in its own process, for the tests in this folder, which trace,
//! kill, starve and run it concurrently.
//!
//! `store-act STORE VERB [WORD…]` prints `done`, or the error and its hint on stderr.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the tests' own"
)]

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use plan::digest::{BuildKey, Digest};
use store::gc::Policy;
use store::roots::Root;
use store::{About, EntryName, EntryState, Ready, Store, StoreError, Vacant, transfer};

type Done = Result<(), Box<dyn Error>>;

/// Some tens of kilobytes that depend on the number, which take several writes.
fn bytes(number: u64) -> Vec<u8> {
    let length = 70_000 + usize::try_from(number % 97).unwrap_or_default() * 100;
    let mut state = number.wrapping_add(1);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // Knuth's MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bytes.extend(state.to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn image(number: u64) -> EntryName {
    EntryName::image(key(number))
}

fn toolchain(number: u64) -> EntryName {
    EntryName::toolchain(key(number), "0123456789ab")
}

fn key(number: u64) -> BuildKey {
    let mut key = [0xab; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    BuildKey::from_bytes(key)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [root, verb, ref rest @ ..] => act(Utf8Path::new(root), verb, rest),
        _ => Err("store-act STORE VERB [WORD…]".into()),
    };
    match done {
        Ok(()) => {
            println!("done");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            let hint = match error.downcast_ref::<StoreError>() {
                Some(error) => error.hint(),
                None => error
                    .downcast_ref::<transfer::TransferError>()
                    .and_then(transfer::TransferError::hint),
            };
            if let Some(hint) = hint {
                eprintln!("help: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn act(root: &Utf8Path, verb: &str, words: &[&str]) -> Done {
    let number = |at: usize| words.get(at).map_or(Ok(0), |word| word.parse::<u64>());
    match verb {
        // Prints the bytes of a number for comparison.
        "bytes" => fs::write(words[0], bytes(number(1)?))?,
        "keep" => keep(&Store::open(root)?, number(0)?)?,
        "image" => commit(&Store::open(root)?, &image(number(0)?), number(0)?)?,
        "toolchain" => commit(&Store::open(root)?, &toolchain(number(0)?), number(0)?)?,
        "root" => {
            let store = Store::open(root)?;
            store.keep_root(&needs(Utf8Path::new(words[1]), number(0)?)?)?;
        }
        // A lookup quarantines a corrupt item, which is then made again.
        "mend" => {
            let store = Store::open(root)?;
            keep(&store, number(0)?)?;
            commit(&store, &image(number(0)?), number(0)?)?;
        }
        "gc" => {
            let store = Store::open(root)?;
            let policy = Policy {
                idle: Duration::ZERO,
                max_bytes: None,
            };
            let alone = store.alone(Duration::from_secs(60), || {})?;
            let plan = store.plan_gc(&policy)?;
            alone.collect(&plan)?;
            println!("collected {}", plan.remove.len());
        }
        "export" => {
            let store = Store::open(root)?;
            let digests = (0..number(1)?).map(|number| Digest::of(&bytes(number)));
            let blobs: Result<Vec<_>, _> = digests.map(|digest| store.blob(&digest)).collect();
            let blobs: Vec<_> = blobs?.into_iter().flatten().collect();
            transfer::export(&blobs, Utf8Path::new(words[0]))?;
        }
        "import" => drop(transfer::import(
            &Store::open(root)?,
            Utf8Path::new(words[0]),
        )?),
        "look" => look(&Store::open(root)?, number(0)?)?,
        "use" => use_for_a_while(&Store::open(root)?, number(0)?)?,
        "go-on" => go_on(&Store::open(root)?, number(0)?)?,
        _ => return Err(format!("no verb `{verb}`").into()),
    }
    Ok(())
}

/// Adds a file to the store. The file is next to the store.
fn keep(store: &Store, number: u64) -> Done {
    let bytes = bytes(number);
    let digest = Digest::of(&bytes);
    let file = store.root().with_extension(format!("{number}.bytes"));
    // A power cut may have truncated it.
    if !fs::read(&file).is_ok_and(|got| got == bytes) {
        fs::write(&file, bytes)?;
    }
    store.keep(&file, &digest)?;
    Ok(())
}

/// Commits an entry like a build. No other process commits it meanwhile.
fn commit(store: &Store, name: &EntryName, number: u64) -> Done {
    let _guard = store.lock(&format!("entry-{name}"), || println!("waits"))?;
    if let EntryState::Vacant(vacant) = store.entry(name)? {
        fill(vacant, number)?;
    }
    Ok(())
}

fn fill(vacant: Vacant, number: u64) -> Result<Ready, StoreError> {
    let staging = vacant.stage()?;
    let bytes = bytes(number);
    let filled = || {
        fs::create_dir(staging.path().join("bin"))?;
        for (name, bytes) in bytes.chunks(50_000).enumerate() {
            fs::write(staging.path().join(format!("bin/{name}")), bytes)?;
        }
        fs_err::os::unix::fs::symlink("0", staging.path().join("bin/link"))
    };
    filled().map_err(|error| {
        StoreError::io(staging.store().root(), error).needing(bytes.len() as u64)
    })?;
    staging.commit(About {
        recipe: "fixture".to_owned(),
        version: number.to_string(),
        arch: None,
        seconds: 1.0,
    })
}

/// A checkout that needs the blob and the image of a number.
fn needs(checkout: &Utf8Path, number: u64) -> Result<Root, Box<dyn Error>> {
    fs::create_dir_all(checkout.join("recipes"))?;
    let mut needs = Root::new(checkout);
    needs.blob(&Digest::of(&bytes(number)));
    needs.entry(key(number));
    Ok(needs)
}

/// Prints the numbers below `end` that the store has, of each kind. Checks all bytes and prints
/// `WRONG` for different ones.
fn look(store: &Store, end: u64) -> Done {
    for number in 0..end {
        let bytes = bytes(number);
        if let Some(blob) = store.blob(&Digest::of(&bytes))? {
            let right = fs::read(blob.path())? == bytes;
            println!("{} blob {number}", if right { "has" } else { "WRONG" });
        }
        for (kind, name) in [("image", image(number)), ("toolchain", toolchain(number))] {
            match store.entry(&name)? {
                EntryState::Ready(ready) => {
                    let right = is_whole(&ready, &bytes);
                    println!("{} {kind} {number}", if right { "has" } else { "WRONG" });
                }
                EntryState::Vacant(vacant) => {
                    if let Some(why) = vacant.corrupt() {
                        println!("quarantined {kind} {number}: {why}");
                    }
                }
            }
        }
    }
    let roots = store.roots()?;
    println!("has root {}", roots.len());
    Ok(())
}

fn is_whole(ready: &Ready, bytes: &[u8]) -> bool {
    let mut files = bytes.chunks(50_000).enumerate();
    let link = ready.path().join("bin/link").read_link_utf8();
    link.is_ok_and(|target| target == "0")
        && files.all(|(name, bytes)| {
            let file = ready.path().join(format!("bin/{name}"));
            fs::read(file).is_ok_and(|got| got == bytes)
        })
}

/// Creates items and checks them repeatedly. No other process may remove them.
fn use_for_a_while(store: &Store, number: u64) -> Done {
    let bytes = bytes(number);
    keep(store, number)?;
    commit(store, &image(number), number)?;
    for _ in 0..5 {
        let EntryState::Ready(ready) = store.entry(&image(number))? else {
            return Err("the image is gone".into());
        };
        let blob = store.blob(&Digest::of(&bytes))?;
        let blob = blob.ok_or("the blob is gone")?;
        if !is_whole(&ready, &bytes) || fs::read(blob.path())? != bytes {
            return Err("there are other bytes".into());
        }
    }
    Ok(())
}

/// Creates one item after the other, forever. Prints each once the store has committed it.
fn go_on(store: &Store, first: u64) -> Done {
    let acknowledge = |kind: &str, number: u64| {
        println!("ready {kind} {number}");
        std::io::stdout().flush()
    };
    for number in first.. {
        keep(store, number)?;
        acknowledge("blob", number)?;
        commit(store, &image(number), number)?;
        acknowledge("image", number)?;
        commit(store, &toolchain(number), number)?;
        acknowledge("toolchain", number)?;
        store.keep_root(&needs(&store.root().with_extension("checkout"), number)?)?;
        acknowledge("root", number)?;
    }
    Ok(())
}
