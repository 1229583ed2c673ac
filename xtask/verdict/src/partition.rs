//! Partitions of a run for several machines: `slice:m/n` or `hash:m/n`, as in nextest.

use sha2::{Digest as _, Sha256};

/// A part of the selected tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    how: How,
    /// Counted from 1.
    part: usize,
    parts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Every n-th test from the m-th: parts of equal size.
    Slice,
    /// By the hash of the name: a test stays in its part when tests are added.
    Hash,
}

/// A text that is not a partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid partition `{0}`: expected `slice:1/3` or `hash:1/3`")]
pub struct NoPartition(pub String);

impl std::str::FromStr for Partition {
    type Err = NoPartition;

    fn from_str(text: &str) -> Result<Self, NoPartition> {
        let read = || {
            let (how, rest) = text.split_once(':')?;
            let how = match how {
                "slice" => How::Slice,
                "hash" => How::Hash,
                _ => return None,
            };
            let (part, parts) = rest.split_once('/')?;
            let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
            (1..=parts)
                .contains(&part)
                .then_some(Self { how, part, parts })
        };
        read().ok_or_else(|| NoPartition(text.to_owned()))
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.how {
            How::Slice => "slice",
            How::Hash => "hash",
        };
        write!(f, "{how}:{}/{}", self.part, self.parts)
    }
}

impl Partition {
    /// All parts of the same partition.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (1..=self.parts).map(move |part| Self { part, ..self })
    }

    /// The last part.
    #[must_use]
    pub fn last(self) -> Self {
        let part = self.parts;
        Self { part, ..self }
    }

    /// The tests of `all` that are in this part, by their full names.
    pub fn of<T>(self, all: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
        let all = all.into_iter().enumerate();
        let mine = all.filter(|(index, test)| match self.how {
            How::Slice => index % self.parts == self.part - 1,
            How::Hash => bucket(&name(test), self.parts) == self.part - 1,
        });
        mine.map(|(_, test)| test).collect()
    }
}

/// The hash never changes, because machines with different checkouts must agree.
fn bucket(name: &str, parts: usize) -> usize {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(name.as_bytes())[..8]);
    let bucket = u64::from_le_bytes(first) % parts as u64;
    usize::try_from(bucket).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_together_are_the_whole() {
        let check = |text: &str, expect: &[u8]| {
            let partition: Partition = text.parse().unwrap();
            assert_eq!(partition.to_string(), text);
            let part = partition.of(vec![1, 2, 3, 4, 5], u8::to_string);
            assert_eq!(part, expect, "{text}");
        };
        check("slice:1/1", &[1, 2, 3, 4, 5]);
        check("slice:1/2", &[1, 3, 5]);
        check("slice:2/2", &[2, 4]);
        check("slice:7/7", &[]);
        check("hash:1/1", &[1, 2, 3, 4, 5]);
        check("hash:1/2", &[2, 3]);
        check("hash:2/2", &[1, 4, 5]);
        for text in [
            "",
            "1/2",
            "slice:0/2",
            "slice:3/2",
            "slice:1/0",
            "slice:a/2",
            "hash:0/1",
            "hsah:1/2",
        ] {
            assert_eq!(text.parse::<Partition>(), Err(NoPartition(text.to_owned())));
        }
    }

    #[test]
    fn hash_partition_never_changes() {
        // Machines with different versions of Kiln may share a run: never change these.
        let names = [
            "x86_64::boot::true",
            "ppc64::block::nvme",
            "aarch64::net::nic",
            "",
        ];
        let buckets = names.map(|name| bucket(name, 1000));
        assert_eq!(buckets, [383, 28, 147, 227]);
    }
}
