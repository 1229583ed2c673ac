//! Compares two archives of the same format: finds the member, and the field or the location in its
//! content.

use std::collections::BTreeSet;

use super::bytes::byte_difference;
use super::{Position, Side, first_difference_in};
use crate::archive::{Archive, Field, Member};

/// `None` if one of them is not an archive, or if they are equal.
pub(super) fn difference(first: &[u8], second: &[u8]) -> Option<Position> {
    let (one, other) = (Archive::parse(first)?, Archive::parse(second)?);
    let pairs = || one.members.iter().zip(&other.members);
    missing(&one, &other)
        // An index differs as a consequence of a member.
        .or_else(|| pairs().filter(|(a, _)| !a.is_index).find_map(in_member))
        .or_else(|| pairs().find_map(in_member))
        .or_else(|| {
            let place = byte_difference(one.rest, other.rest)?;
            Some(entry("(after the last entry)", place))
        })
}

fn entry(name: &str, place: Position) -> Position {
    Position::Entry {
        entry: name.to_owned(),
        place: Box::new(place),
    }
}

fn missing(one: &Archive, other: &Archive) -> Option<Position> {
    let names = |archive: &Archive<'_>| -> BTreeSet<String> {
        let members = archive.members.iter();
        members.map(|member| member.name.clone()).collect()
    };
    let (one, other) = (names(one), names(other));
    let name = one.symmetric_difference(&other).next()?;
    let side = if one.contains(name) {
        Side::First
    } else {
        Side::Second
    };
    Some(entry(name, Position::Only(side)))
}

fn in_member((a, b): (&Member, &Member)) -> Option<Position> {
    if a.name != b.name {
        let place = property("order", &a.name, &b.name);
        return Some(entry(&a.name, place));
    }
    // A field that depends on other members is reported only if nothing else differs.
    let place = in_fields(&a.fields, &b.fields)
        .or_else(|| first_difference_in(a.data, b.data))
        .or_else(|| in_fields(&a.derived, &b.derived))?;
    Some(entry(&a.name, place))
}

fn in_fields(one: &[Field], other: &[Field]) -> Option<Position> {
    let mut pairs = one.iter().zip(other);
    let (a, b) = pairs.find(|(a, b)| a != b)?;
    Some(property(a.0, &a.1, &b.1))
}

fn property(name: &'static str, first: &str, second: &str) -> Position {
    Position::Property {
        name,
        first: first.to_owned(),
        second: second.to_owned(),
    }
}
