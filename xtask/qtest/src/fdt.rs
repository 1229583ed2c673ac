//! Parses the parts of flattened device trees that describe a machine's PCI host. Pure.
//!
//! The Devicetree Specification 0.4, chapter 5, defines the format.

use std::collections::BTreeMap;

/// The first word of a device tree.
const MAGIC: u32 = 0xd00d_feed;
/// The length of its header.
pub const HEADER: usize = 40;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;

/// A node with its properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name, with its address.
    pub name: String,
    /// The number of nodes above it.
    pub depth: usize,
    properties: BTreeMap<String, Vec<u8>>,
}

impl Node {
    /// The bytes of a property, none if it is missing.
    #[must_use]
    pub fn bytes(&self, name: &str) -> &[u8] {
        self.properties.get(name).map_or(&[][..], Vec::as_slice)
    }

    /// A property as 32-bit numbers, empty if it is missing.
    #[must_use]
    pub fn cells(&self, name: &str) -> Vec<u32> {
        let cells = self.bytes(name).chunks_exact(4);
        cells.filter_map(|it| word(it, 0)).collect()
    }

    /// Whether its `compatible` property contains this.
    #[must_use]
    pub fn is_compatible(&self, with: &str) -> bool {
        let list = self.properties.get("compatible");
        list.is_some_and(|list| {
            list.split(|&byte| byte == 0)
                .any(|it| it == with.as_bytes())
        })
    }
}

/// The length of the used part of a device tree, from its header. QEMU leaves space behind it.
#[must_use]
pub fn used_size(header: &[u8]) -> Option<usize> {
    (word(header, 0)? == MAGIC).then_some(())?;
    let end = |start, size| word(header, start)?.checked_add(word(header, size)?);
    let (structure, strings) = (end(8, 36)?, end(12, 32)?);
    let used = structure.max(strings);
    (used <= word(header, 4)?).then_some(())?;
    usize::try_from(used).ok()
}

/// All nodes of a device tree in order. `None` if it is malformed.
#[must_use]
pub fn nodes(blob: &[u8]) -> Option<Vec<Node>> {
    let blob = blob.get(..used_size(blob)?)?;
    let structure = usize::try_from(word(blob, 8)?).ok()?;
    let strings = usize::try_from(word(blob, 12)?).ok()?;
    let (mut nodes, mut open) = (Vec::<Node>::new(), Vec::<usize>::new());
    let mut at = structure;
    loop {
        let token = word(blob, at)?;
        at += 4;
        match token {
            BEGIN_NODE => {
                let name = text(blob, at)?;
                at = aligned(at + name.len() + 1);
                open.push(nodes.len());
                nodes.push(Node {
                    name,
                    depth: open.len() - 1,
                    properties: BTreeMap::new(),
                });
            }
            END_NODE => {
                open.pop()?;
                if open.is_empty() {
                    return Some(nodes);
                }
            }
            PROPERTY => {
                let length = usize::try_from(word(blob, at)?).ok()?;
                let name = text(blob, strings + usize::try_from(word(blob, at + 4)?).ok()?)?;
                at += 8;
                let value = blob.get(at..at.checked_add(length)?)?.to_vec();
                at = aligned(at + length);
                nodes.get_mut(*open.last()?)?.properties.insert(name, value);
            }
            NOP => {}
            _ => return None,
        }
    }
}

fn aligned(at: usize) -> usize {
    at.next_multiple_of(4)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn text(blob: &[u8], at: usize) -> Option<String> {
    let rest = blob.get(at..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `/ { p@1 { compatible = "a", "b"; reg = <1 2>; }; };`
    fn sample() -> Vec<u8> {
        let mut tree = Vec::new();
        let mut push = |words: &[u32]| {
            tree.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        };
        push(&[BEGIN_NODE, 0, NOP, BEGIN_NODE]);
        push(&[u32::from_be_bytes(*b"p@1\0"), PROPERTY, 4, 0]);
        push(&[u32::from_be_bytes(*b"a\0b\0"), PROPERTY, 8, 11, 1, 2]);
        push(&[END_NODE, END_NODE, 9]);
        let strings = b"compatible\0reg\0";
        let (size, start) = (strings.len(), HEADER + tree.len());
        let words = [
            MAGIC as usize,
            start + size + 100,
            HEADER,
            start,
            0,
            17,
            16,
            0,
            size,
            tree.len(),
        ];
        let words = words.map(|word| u32::try_from(word).unwrap());
        let mut blob: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        blob.extend(tree);
        blob.extend(strings);
        blob
    }

    #[test]
    fn nodes_have_names_depths_and_cells() {
        let nodes = nodes(&sample()).unwrap();
        let [root, node] = &nodes[..] else {
            panic!("{nodes:?}")
        };
        assert_eq!((root.name.as_str(), root.depth), ("", 0));
        assert_eq!((node.name.as_str(), node.depth), ("p@1", 1));
        assert_eq!(node.cells("reg"), [1, 2]);
        assert!(node.is_compatible("b") && !node.is_compatible("c"));
        assert!(root.cells("reg").is_empty());
    }

    #[test]
    fn truncated_tree_is_refused() {
        let blob = sample();
        for length in 0..blob.len() {
            assert_eq!(nodes(&blob[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn damaged_tree_never_panics(at in 0..sample().len(), value: u8) {
            let mut blob = sample();
            blob[at] = value;
            let _ = nodes(&blob);
        }
    }
}
