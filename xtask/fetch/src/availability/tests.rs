//! Checks locations with a scripted remote.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use plan::digest::Digest;

use super::*;
use crate::{Clock, Remote, Response, Resume};

const SHA1: &str = "d2ad53065f74afc1280d795570d8cc7258f909e1";

/// Answers per URL: each once, then the last one forever. Other URLs get 404.
#[derive(Default)]
struct Table {
    answers: Mutex<BTreeMap<String, Vec<Reply>>>,
    asked: Mutex<Vec<String>>,
}

impl Remote for Table {
    fn get(&self, url: &str, _: Option<&Resume>) -> Result<Response, RemoteError> {
        panic!("`{url}` is downloaded")
    }

    fn head(&self, url: &str) -> Result<Head, RemoteError> {
        self.asked.lock().unwrap().push(url.to_owned());
        let mut answers = self.answers.lock().unwrap();
        match answers.get_mut(url) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => reply(404, None),
        }
    }
}

/// A clock that does not advance.
struct FakeClock(Mutex<Vec<Duration>>);

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, time: Duration) -> Result<(), Interrupted> {
        self.0.lock().unwrap().push(time);
        Ok(())
    }
    fn chance(&self) -> f64 {
        0.0
    }
}

/// An answer, or no connection if no status is given.
fn reply(status: impl Into<Option<u16>>, length: Option<u64>) -> Result<Head, RemoteError> {
    let refused = || RemoteError {
        why: "no connection".to_owned(),
        passing: true,
        hint: None,
    };
    status
        .into()
        .map(|status| Head {
            status,
            length,
            retry_after: None,
        })
        .ok_or_else(refused)
}

type Reply = Result<Head, RemoteError>;

fn check(location: &str, answers: &[(&str, &[Reply])]) -> (String, usize) {
    let answers = answers
        .iter()
        .map(|(url, answers)| ((*url).to_owned(), answers.to_vec()));
    let table = Arc::new(Table {
        answers: Mutex::new(answers.collect()),
        asked: Mutex::default(),
    });
    let remotes = Remotes {
        debian_mirrors: vec!["http://one".into(), "http://two".into()],
        debian_snapshot: None,
        clock: Arc::new(FakeClock(Mutex::default())),
        ..Remotes::online(table.clone())
    };
    let pin = SourcePin {
        file: "a.tar".to_owned(),
        size: 7,
        sha256: Digest::of(b"a"),
        locations: Location::parse(location).into_iter().collect(),
    };
    let checks = check_locations(&[&pin], &remotes, 3).unwrap();
    let text = match &checks[0].availability {
        Availability::Available(url) => format!("at {url}"),
        Availability::NotAsked => "not asked".to_owned(),
        Availability::Unavailable(tries) => {
            let tries: Vec<_> = tries.iter().map(|one| one.why.as_str()).collect();
            tries.join(", ")
        }
    };
    let asked = table.asked.lock().unwrap().len();
    (text, asked)
}

#[test]
fn each_answer_of_a_location_has_its_meaning() {
    let url = "https://a.example/a.tar";
    let at = format!("at {url}");
    for (answers, text, asked) in [
        (&[reply(200, Some(7))][..], at.as_str(), 1),
        // A file without a length in the answer counts as available.
        (&[reply(200, None)], &at, 1),
        (&[reply(200, Some(8))], "has 8 bytes, expected 7", 1),
        (&[reply(404, None)], "HTTP status 404", 1),
        (&[reply(503, None), reply(200, Some(7))], &at, 2),
        (&[reply(503, None)], "HTTP status 503 (3 tries)", 3),
        (&[reply(None, None), reply(200, Some(7))], &at, 2),
        (&[reply(None, None)], "no connection (3 tries)", 3),
    ] {
        assert_eq!(check(url, &[(url, answers)]), (text.to_owned(), asked));
    }
}

#[test]
fn one_available_mirror_is_enough() {
    let two = "http://two/pool/a.tar";
    let (text, asked) = check("debian:pool/a.tar", &[(two, &[reply(200, Some(7))])]);
    assert_eq!((text.as_str(), asked), ("at http://two/pool/a.tar", 2));
    let (text, _) = check("debian:pool/a.tar", &[]);
    assert_eq!(text, "HTTP status 404, HTTP status 404");
}

#[test]
fn location_without_base_is_not_checked() {
    let (text, asked) = check(&format!("debian-snapshot:{SHA1}"), &[]);
    assert_eq!((text.as_str(), asked), ("not asked", 0));
}
