//! `choose`: selects one of several values by the run's seed, reproducibly forever.
//!
//! A choice is a function of seed, test, name and values alone, so the order of requests from host
//! and guest script does not matter. The random numbers are those of `ChaCha8`, which is documented
//! and portable. A test freezes a vector of choices.

pub mod combine;
pub mod forced;
pub mod offer;
pub mod scan;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use verdict::event::Choice;

/// Why nothing can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No values are given.
    #[error(
        "`choose {0}` has no values, and the header has no `choices.{0}` for this architecture"
    )]
    NoWords(String),
    /// The header does not offer values.
    #[error("`offered {0}`: the header has no `choices.{0}` for this architecture")]
    NotInHeader(String),
    /// The run forces a value that is not offered.
    #[error("`--choose {name}={word}`: expected one of `{words}`")]
    NotOffered {
        /// The name of the choice.
        name: String,
        /// The forced value.
        word: String,
        /// The offered values.
        words: String,
    },
}

fn not_offered(name: &str, word: &str, words: &[String]) -> ChoiceError {
    ChoiceError::NotOffered {
        name: name.to_owned(),
        word: word.to_owned(),
        words: words.join(" "),
    }
}

/// Selects an index by seed, test and name.
#[must_use]
pub fn pick(seed: u64, test: &str, name: &str, count: usize) -> usize {
    let mut hasher = Sha256::new();
    hasher.update(b"kiln choice 1\0");
    hasher.update(seed.to_le_bytes());
    hasher.update(test.as_bytes());
    hasher.update(b"\0");
    hasher.update(name.as_bytes());
    let mut stream = ChaCha8Rng::from_seed(hasher.finalize().into());
    let count = count.max(1) as u64;
    // Values above the last whole multiple would favour the first indices.
    let whole = u64::MAX - u64::MAX % count;
    loop {
        let value = stream.next_u64();
        if value < whole {
            return usize::try_from(value % count).unwrap_or(0);
        }
    }
}

/// The choices of one test, shared by its host and guest script.
#[derive(Debug)]
pub struct Chooser {
    seed: u64,
    test: String,
    forced: BTreeMap<String, String>,
    offered: BTreeMap<String, Vec<String>>,
    made: Mutex<Vec<Choice>>,
}

impl Chooser {
    /// `forced` contains values that override the seed, and `offered` those of the header.
    #[must_use]
    pub fn new(
        seed: u64,
        test: &str,
        forced: &BTreeMap<String, String>,
        offered: BTreeMap<String, Vec<String>>,
    ) -> Self {
        let made = Mutex::new(Vec::new());
        Self {
            seed,
            test: test.to_owned(),
            forced: forced.clone(),
            offered,
            made,
        }
    }

    /// Chooses one of the values, or of those in the header if there are none. The same name and
    /// values give the same result again.
    pub fn choose(&self, name: &str, words: &[String]) -> Result<String, ChoiceError> {
        let words = match self.offered.get(name) {
            Some(offered) if words.is_empty() => offered,
            _ => words,
        };
        if words.is_empty() {
            return Err(ChoiceError::NoWords(name.to_owned()));
        }
        let word = match self.forced.get(name) {
            Some(word) if words.contains(word) => word,
            Some(word) => return Err(not_offered(name, word, words)),
            None => &words[pick(self.seed, &self.test, name, words.len())],
        };
        let choice = Choice {
            name: name.to_owned(),
            value: word.clone(),
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.contains(&choice) {
            made.push(choice);
        }
        Ok(word.clone())
    }

    /// All values of a choice in the header, or the one that the run forces.
    pub fn offered(&self, name: &str) -> Result<Vec<String>, ChoiceError> {
        let offered = self.offered.get(name);
        let offered = offered.ok_or_else(|| ChoiceError::NotInHeader(name.to_owned()))?;
        match self.forced.get(name) {
            Some(word) if offered.contains(word) => Ok(vec![word.clone()]),
            Some(word) => Err(not_offered(name, word, offered)),
            None => Ok(offered.clone()),
        }
    }

    /// All choices so far, in order.
    #[must_use]
    pub fn made(&self) -> Vec<Choice> {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn choices_never_change() {
        // A seed in an old bug report must give the same choices: never change these.
        let picks: Vec<_> = (0..16)
            .map(|seed| pick(seed, "x86_64::net::nic", "nic", 7))
            .collect();
        assert_eq!(picks, [3, 6, 0, 5, 4, 5, 3, 2, 1, 6, 1, 0, 0, 2, 0, 5]);
        let picks: Vec<_> = ["a", "b", "nic.tier2", ""]
            .map(|name| pick(0x6b69_6c6e, "ppc64::block::disk", name, 1000))
            .to_vec();
        assert_eq!(picks, [712, 374, 182, 513]);
    }

    #[test]
    fn every_value_is_chosen_equally_often() {
        let mut counts = [0; 5];
        for seed in 0..5000 {
            counts[pick(seed, "t", "n", 5)] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn seed_test_and_name_each_change_the_choice() {
        let base = pick(1, "test", "name", 1 << 40);
        assert_ne!(base, pick(2, "test", "name", 1 << 40));
        assert_ne!(base, pick(1, "tess", "name", 1 << 40));
        assert_ne!(base, pick(1, "test", "names", 1 << 40));
        // The boundary between test and name matters too.
        assert_ne!(pick(1, "ab", "c", 1 << 40), pick(1, "a", "bc", 1 << 40));
    }

    #[test]
    fn choice_is_shared_by_both_scripts() {
        let chooser = Chooser::new(3, "test", &BTreeMap::new(), BTreeMap::new());
        let first = chooser.choose("nic", &words("a b c d")).unwrap();
        assert_eq!(chooser.choose("nic", &words("a b c d")).unwrap(), first);
        assert_eq!(
            chooser.made(),
            [Choice {
                name: "nic".to_owned(),
                value: first
            }]
        );
    }

    #[test]
    fn header_values_apply_without_script_values() {
        let offered = BTreeMap::from([("nic".to_owned(), words("a b c"))]);
        let chooser = Chooser::new(3, "test", &BTreeMap::new(), offered);
        let same = Chooser::new(3, "test", &BTreeMap::new(), BTreeMap::new());
        let expect = same.choose("nic", &words("a b c")).unwrap();
        assert_eq!(chooser.choose("nic", &[]).unwrap(), expect);
        assert_eq!(chooser.choose("nic", &words("z")).unwrap(), "z");
    }

    #[test]
    fn forced_value_must_be_offered() {
        let forced = BTreeMap::from([("nic".to_owned(), "c".to_owned())]);
        let chooser = Chooser::new(3, "test", &forced, BTreeMap::new());
        assert_eq!(chooser.choose("nic", &words("a b c")).unwrap(), "c");
        let error = chooser.choose("nic", &words("a b")).unwrap_err();
        assert_eq!(error.to_string(), "`--choose nic=c`: expected one of `a b`");
        let error = chooser.choose("disk", &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`choose disk` has no values, and the header has no `choices.disk` for this architecture"
        );
    }

    #[test]
    fn all_values_are_offered_unless_one_is_forced() {
        let header = || BTreeMap::from([("nic".to_owned(), words("a b c"))]);
        let offered = |forced: &[(&str, &str)], name: &str| {
            let forced = forced
                .iter()
                .map(|(name, word)| ((*name).to_owned(), (*word).to_owned()));
            let chooser = Chooser::new(3, "test", &forced.collect(), header());
            let offered = chooser.offered(name).map(|values| values.join(" "));
            assert_eq!(chooser.made(), []);
            offered.map_err(|error| error.to_string())
        };
        assert_eq!(offered(&[], "nic"), Ok("a b c".to_owned()));
        assert_eq!(offered(&[("nic", "b")], "nic"), Ok("b".to_owned()));
        let error = "`--choose nic=z`: expected one of `a b c`";
        assert_eq!(offered(&[("nic", "z")], "nic"), Err(error.to_owned()));
        let error = "`offered disk`: the header has no `choices.disk` for this architecture";
        assert_eq!(offered(&[], "disk"), Err(error.to_owned()));
    }
}
