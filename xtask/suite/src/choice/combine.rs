//! Computes all combinations of a test's choices.
//!
//! As in tests for qemu-test, a choice named `nic.old` is made only if `nic` is `old`. Its values
//! replace that one value.

use std::collections::BTreeMap;

/// Choices with their values, by name.
pub type Words = BTreeMap<String, Vec<String>>;

/// The number of combinations, at least one: a test without choices runs once.
#[must_use]
pub fn count(choices: &Words) -> u128 {
    product(choices, None)
}

/// Every combination, in the order of names and values.
#[must_use]
pub fn all(choices: &Words) -> Vec<BTreeMap<String, String>> {
    let mut combinations = vec![BTreeMap::new()];
    // A name sorts before the choices that depend on it.
    for (name, words) in choices {
        let parent = governs(choices, name);
        let extended = combinations.into_iter().flat_map(|chosen: BTreeMap<_, _>| {
            let made = parent.is_none_or(|(parent, word)| {
                chosen.get(parent).is_some_and(|chosen| chosen == word)
            });
            let words = if made { words.as_slice() } else { &[] };
            let with = words.iter().map(|word| {
                let mut chosen = chosen.clone();
                chosen.insert(name.clone(), word.clone());
                chosen
            });
            let mut extended: Vec<_> = with.collect();
            if !made {
                extended.push(chosen);
            }
            extended
        });
        combinations = extended.collect();
    }
    combinations
}

/// The choice and the value that a choice depends on.
fn governs<'a>(choices: &'a Words, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (parent, word) = name.rsplit_once('.')?;
    let words = choices.get(parent)?;
    words
        .iter()
        .any(|offered| offered == word)
        .then_some((parent, word))
}

fn product(choices: &Words, parent: Option<(&str, &str)>) -> u128 {
    choices
        .keys()
        .filter(|name| governs(choices, name) == parent)
        .map(|name| sum(choices, name))
        .fold(1, u128::saturating_mul)
}

fn sum(choices: &Words, name: &str) -> u128 {
    choices[name]
        .iter()
        .map(|word| product(choices, Some((name, word))))
        .fold(0, u128::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(choices: &[(&str, &str)]) -> Words {
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        choices
            .iter()
            .map(|(name, text)| ((*name).to_owned(), split(text)))
            .collect()
    }

    fn shown(choices: &Words) -> Vec<String> {
        let one = |combination: &BTreeMap<String, String>| {
            let pairs = combination
                .iter()
                .map(|(name, word)| format!("{name}={word}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        all(choices).iter().map(one).collect()
    }

    #[test]
    fn nested_choices_multiply() {
        let check = |choices: &[(&str, &str)], expect: &[&str]| {
            let choices = words(choices);
            assert_eq!(shown(&choices), expect);
            assert_eq!(count(&choices), expect.len() as u128);
        };
        check(&[], &[""]);
        check(
            &[("a", "x y"), ("b", "1 2")],
            &["a=x b=1", "a=x b=2", "a=y b=1", "a=y b=2"],
        );
        check(
            &[("nic", "e1000 tier2"), ("nic.tier2", "ne2k pcnet")],
            &[
                "nic=e1000",
                "nic=tier2 nic.tier2=ne2k",
                "nic=tier2 nic.tier2=pcnet",
            ],
        );
        // `nic` has no value `other`, so this is an independent choice.
        check(
            &[("nic", "a"), ("nic.other", "b c")],
            &["nic=a nic.other=b", "nic=a nic.other=c"],
        );
    }

    #[test]
    fn unlisted_items_are_counted() {
        let many = vec!["w".to_owned(); 1 << 20];
        let choices: Words = ('a'..='h')
            .map(|name| (name.to_string(), many.clone()))
            .collect();
        assert_eq!(count(&choices), u128::MAX);
    }

    proptest! {
        #[test]
        fn listed_combinations_match_their_count(
            choices in proptest::collection::btree_map(
                "[ab](\\.[xy]){0,2}",
                proptest::sample::subsequence(vec!["x".to_owned(), "y".to_owned(), "z".to_owned()], 1..3),
                0..5,
            )
        ) {
            prop_assert_eq!(all(&choices).len() as u128, count(&choices));
        }
    }
}
