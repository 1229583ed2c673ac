//! Tests every fault alone and every pair of faults: a file arrives if and only if one of its
//! locations can provide it, and the output lists the error of each failed location.

use std::collections::BTreeMap;
use std::thread;

use faults::{Answer, Fault, File, Nobody, Server, Tls};

use harness::small::{SmallRepo, Source, bytes};
use harness::{Output, skip};

/// Faults that a client detects by a timeout.
const SLOW: [Fault; 3] = [Fault::Drip, Fault::Silence, Fault::SilenceInTheMiddle];

/// The expected error for a fault that no client overcomes.
fn says(fault: Fault) -> &'static str {
    match fault {
        Fault::CutAlways
        | Fault::ResetAlways
        | Fault::HalfHead
        | Fault::HugeHead
        | Fault::NoHttp => "transfer failed: ",
        Fault::EncodingDone | Fault::WrongLength => " bytes, expected ",
        Fault::WrongBytes => "digest mismatch: expected sha256 ",
        Fault::Endless => "more than the expected ",
        Fault::Drip | Fault::Silence | Fault::SilenceInTheMiddle => "sent no data for ",
        Fault::Circle => "too many redirects",
        Fault::BusyAlways => "HTTP status 503 (3 tries)",
        Fault::NotFound => "HTTP status 404",
        Fault::Forbidden => "HTTP status 403",
        _ => "nothing: it is overcome",
    }
}

/// Serves `/<fault>/<file>`, and counts the requests for each.
fn server(files: BTreeMap<String, File>) -> Server {
    spoiling(files, |answer, _, _| answer)
}

/// The same. Calls `change` with each answer, the name of its file and the number of earlier
/// requests.
fn spoiling(
    files: BTreeMap<String, File>,
    change: impl Fn(Answer, &str, usize) -> Answer + Send + 'static,
) -> Server {
    let mut asked = BTreeMap::<String, usize>::new();
    Server::start(move |request| {
        let mut parts = request.target.trim_start_matches('/').splitn(2, '/');
        let named = parts.next().unwrap_or_default();
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == named);
        let name = parts.next().unwrap_or_default();
        let (Some(fault), Some(file)) = (fault, files.get(name)) else {
            return Answer::status("404 Not Found");
        };
        let before = asked.entry(request.target.clone()).or_default();
        *before += 1;
        // A fixed position other than the ends.
        let at = 1 + usize::from(file.bytes[3]) * 7919 % (file.bytes.len() - 1);
        let answer = fault.answer(file, request, *before - 1, at);
        change(answer, name, *before - 1)
    })
}

/// All pairs of faults that are detected without a timeout.
fn quick_pairs() -> Vec<(Fault, Fault)> {
    let quick = || Fault::ALL.into_iter().filter(|fault| !SLOW.contains(fault));
    let beside = |one| quick().map(move |other| (one, other));
    quick().flat_map(beside).collect()
}

/// A few pairs with faults that are detected by a timeout.
fn slow_pairs() -> Vec<(Fault, Fault)> {
    let partners = [Fault::None, Fault::NotFound, Fault::CutAlways];
    let beside = |slow| partners.map(|other| [(slow, other), (other, slow)]);
    SLOW.into_iter().flat_map(beside).flatten().collect()
}

#[test]
fn file_arrives_if_either_location_works() {
    // Without intended delays, a busy host must not cause a timeout either.
    thread::scope(|scope| {
        scope.spawn(|| play(&quick_pairs(), "20"));
        scope.spawn(|| play(&slow_pairs(), "1"));
    });
}

/// Fetches a file for each pair of locations. A silent one is abandoned after this many seconds.
fn play(pairs: &[(Fault, Fault)], timeout: &str) {
    let content: Vec<_> = (0..pairs.len())
        .map(|at| bytes(at, 2000 + at % 997))
        .collect();
    let name = |at: usize| format!("f{at}.tar");
    let files = || (0..pairs.len()).map(|at| (name(at), File::new(content[at].clone())));
    let servers = [server(files().collect()), server(files().collect())];
    let sources: Vec<Source> = pairs
        .iter()
        .enumerate()
        .map(|(at, (one, other))| {
            let faults = servers.iter().zip([one, other]);
            let url = |(server, fault): (&Server, &Fault)| {
                format!("{}/{}/{}", server.base(), fault.name(), name(at))
            };
            Source {
                file: name(at),
                bytes: content[at].clone(),
                locations: faults.map(url).collect(),
            }
        })
        .collect();
    let repo = SmallRepo::new(&sources);
    let args = ["fetch", "--sources", "--jobs=256", "--message-format=json"];
    let output = Output::of(
        repo.xtask("store", &args)
            .env("CARGO_HTTP_TIMEOUT", timeout),
    );

    let failed = output.lines("fetch-failed");
    let failed: BTreeMap<_, _> = failed
        .iter()
        .map(|line| (line["file"].as_str().unwrap(), &line["places"]))
        .collect();
    for (at, (one, other)) in pairs.iter().enumerate() {
        let about = format!("{} then {}", one.name(), other.name());
        let blob = repo.blob("store", &content[at]);
        let places = failed.get(name(at).as_str());
        if one.is_overcome() || other.is_overcome() {
            assert!(places.is_none(), "{about}: {places:?}");
            assert_eq!(blob.as_ref(), Some(&content[at]), "{about}");
        } else {
            let places = places.unwrap_or_else(|| panic!("{about}: nothing is said"));
            for (found, fault) in places.as_array().unwrap().iter().zip([one, other]) {
                let why = found["why"].as_str().unwrap();
                assert!(why.contains(says(*fault)), "{about}: {found}");
                assert!(found["url"].as_str().unwrap().contains(fault.name()));
            }
            assert_eq!(blob, None, "{about}");
        }
    }
    let count = failed.len();
    let summary = format!(
        "error: failed to download {count} of {} files:",
        pairs.len()
    );
    assert!(output.stderr.contains(&summary), "{}", output.stderr);
    assert_eq!(output.code, 102);
    // No part file of a completed download is left.
    assert!(repo.parts("store").len() <= 2 * count);

    // For a reader of the test's output.
    eprintln!("{} pairs of places, {count} without the file:", pairs.len());
    for fault in Fault::ALL {
        if !pairs.iter().any(|(one, _)| *one == fault) {
            continue;
        }
        let fails = |(one, other): &(Fault, Fault)| *one == fault && !other.is_overcome();
        let at = pairs.iter().position(fails);
        let places = at.and_then(|at| failed.get(name(at).as_str()));
        let found = places.and_then(|places| places[0]["why"].as_str());
        eprintln!(
            "  {:<30} {}",
            fault.name(),
            found.unwrap_or("the file comes")
        );
    }
}

/// `KILN_HEADS` is the number of heads (600), `KILN_HEADS_SEED` the seed.
#[test]
fn mutated_http_head_affects_only_its_server() {
    let setting = |name, default: usize| {
        let value = std::env::var(name);
        value.map_or(default, |value| value.parse().unwrap())
    };
    let (count, seed) = (setting("KILN_HEADS", 600), setting("KILN_HEADS_SEED", 1));
    // A mutated delay may become longer, and a mutated redirect may lead to another host.
    let other = [Fault::Circle, Fault::BusyForSeconds, Fault::BusyUntilDate];
    let faults: Vec<_> = Fault::ALL
        .into_iter()
        .filter(|fault| !SLOW.contains(fault) && !other.contains(fault))
        .collect();
    let seeds = seed..seed + count;
    let name = |seed: usize| format!("f{seed}.tar");
    let content = |seed: usize| bytes(seed, 2000 + seed % 997);
    let files = || {
        seeds
            .clone()
            .map(|seed| (name(seed), File::new(content(seed))))
    };
    let right = server(files().collect());
    let spoilt = spoiling(files().collect(), |answer, name, before| {
        let seed = name.trim_matches(|c: char| !c.is_ascii_digit());
        answer.spoil(seed.parse::<u64>().unwrap() ^ (before as u64) << 32)
    });
    let sources: Vec<Source> = seeds
        .clone()
        .map(|seed| {
            let fault = faults[seed % faults.len()].name();
            Source {
                file: name(seed),
                bytes: content(seed),
                locations: vec![
                    format!("{}/{fault}/{}", spoilt.base(), name(seed)),
                    format!("{}/right/{}", right.base(), name(seed)),
                ],
            }
        })
        .collect();
    let repo = SmallRepo::new(&sources);
    let args = ["fetch", "--sources", "--jobs=256"];
    let output = Output::of(&mut repo.xtask("store", &args));
    assert_eq!(output.code, 0, "{}", output.stderr);
    for seed in seeds.clone() {
        let again = format!("KILN_HEADS=1 KILN_HEADS_SEED={seed}");
        assert_eq!(
            repo.blob("store", &content(seed)),
            Some(content(seed)),
            "{again}"
        );
    }
    let asked = right.requests().len();
    eprintln!("{count} places with other heads, {asked} requests to the right one");
}

/// A mirror with the files of an image by their digests.
fn mirror(image: &[(&str, &[u8])]) -> Server {
    let file = |(_, bytes): &(&str, &[u8])| {
        let sum = plan::digest::Digest::of(bytes);
        (format!("blobs/sha256/{sum}"), File::new(*bytes))
    };
    server(image.iter().map(file).collect())
}

#[test]
fn image_comes_from_the_only_correct_mirror() {
    let (kernel, initramfs) = (bytes(1, 5000), bytes(2, 3000));
    let image: [(&str, &[u8]); 2] = [("kernel", &kernel), ("initramfs.cpio", &initramfs)];
    let server = mirror(&image);
    let absent = format!("{}/404/x", server.base());
    let repo = SmallRepo::new(&[Source {
        file: "x.tar".to_owned(),
        bytes: bytes(3, 100),
        locations: vec![absent],
    }]);
    repo.lock(&image);

    let check = |fault: Fault, command: &str, with_right: bool| {
        let store = format!("store-{}-{command}-{with_right}", fault.name());
        let mut args = vec![command.to_owned()];
        let faults = [Some(fault), with_right.then_some(Fault::None)];
        for fault in faults.into_iter().flatten() {
            args.push(format!("--mirror={}/{}", server.base(), fault.name()));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let Output { code, stderr, .. } = repo.run(&store, &args);
        let about = format!("{command} from {} ({with_right}): {stderr}", fault.name());
        let path = repo.path().join(&store).join("v1/entries");
        let images = std::fs::read_dir(path).unwrap().count();
        if with_right || fault.is_overcome() {
            assert_eq!((code, images), (0, 1), "{about}");
            assert_eq!(repo.blob(&store, &kernel), Some(kernel.clone()), "{about}");
        } else {
            assert_eq!((code, images), (102, 0), "{about}");
            assert!(stderr.contains(says(fault)), "{about}");
            assert!(
                stderr.contains(&format!("/{}/blobs/", fault.name())),
                "{about}"
            );
        }
    };
    // The server counts requests per name, so each name is used by one run only.
    let quick = Fault::ALL.into_iter().filter(|fault| !SLOW.contains(fault));
    let is_first_once = |fault: &Fault| fault.is_overcome() && *fault != Fault::None;
    let (counted, free): (Vec<_>, Vec<_>) = quick.partition(is_first_once);
    thread::scope(|scope| {
        for fault in counted {
            scope.spawn(move || check(fault, "fetch", false));
        }
        for fault in free {
            for command in ["fetch", "images"] {
                scope.spawn(move || check(fault, command, false));
                scope.spawn(move || check(fault, command, true));
            }
        }
    });
}

#[test]
fn refused_connection_falls_back_to_next_location() {
    let content = bytes(1, 4000);
    let files = || [("a.tar".to_owned(), File::new(content.clone()))].into();
    let (server, nobody) = (server(files()), Nobody::there());
    let source = |locations: Vec<String>| Source {
        file: "a.tar".to_owned(),
        bytes: content.clone(),
        locations,
    };
    let dead = format!("{}/a.tar", nobody.base());
    let alone = SmallRepo::new(&[source(vec![dead.clone()])]).run("store", &["fetch"]);
    assert_eq!(alone.code, 102);
    let expect = format!(
        "{dead}: failed to connect: tcp connect error: Connection refused (os error 111) (3 tries)"
    );
    assert!(alone.stderr.contains(&expect), "{}", alone.stderr);

    let right = format!("{}/right/a.tar", server.base());
    let repo = SmallRepo::new(&[source(vec![dead, right])]);
    assert_eq!(repo.run("store", &["fetch"]).code, 0);
    assert_eq!(repo.blob("store", &content), Some(content.clone()));
}

#[test]
fn redirect_from_https_to_http_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(tls) = Tls::make(dir.path()) else {
        return skip("there is no `openssl` to make a certificate with");
    };
    let content = bytes(1, 4000);
    let files = [("a.tar".to_owned(), File::new(content.clone()))].into();
    let plain = server(files);
    let open = format!("{}/right/a.tar", plain.base());
    let bytes = content.clone();
    let secure = Server::start_tls(tls, move |request| match request.target.as_str() {
        "/down" => Answer::redirect(&open),
        _ => Answer::status("200 OK").bytes(bytes.clone()),
    });
    for (path, code) in [("down", 102), ("file", 0)] {
        let url = format!("{}/{path}", secure.base());
        let repo = SmallRepo::new(&[Source {
            file: "a.tar".to_owned(),
            bytes: content.clone(),
            locations: vec![url.clone()],
        }]);
        let mut command = repo.xtask("store", &["fetch"]);
        command.env("SSL_CERT_FILE", dir.path().join("certificate.pem"));
        let found = Output::of(&mut command);
        assert_eq!(found.code, code, "{}", found.stderr);
        let refused = format!("{url}: redirects from https to http");
        assert_eq!(
            found.stderr.contains(&refused),
            code != 0,
            "{}",
            found.stderr
        );
    }
    assert_eq!(plain.requests(), []);
}
