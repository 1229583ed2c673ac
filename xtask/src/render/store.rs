//! Renders the contents of the store: a line per item, totals, and what a collection would remove.

use std::collections::BTreeMap;
use std::time::Duration;

use store::gc::{Plan, Reason};
use store::inventory::{Item, Kind};

use super::quantity;

/// An item with its size, and why it is kept or removed.
pub(crate) fn line(item: &Item, reason: &Reason) -> String {
    let name = item.about.clone().unwrap_or_else(|| shortened(&item.name));
    let size = quantity::bytes(item.bytes);
    let kind = item.kind.label();
    format!("{size:>9}  {kind:<11}  {name:<32}  {}", why(reason))
}

/// Shortens digests to their first twelve digits.
fn shortened(name: &str) -> String {
    let is_digest = name.len() >= 64 && name.bytes().take(64).all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        format!("{}…{}", &name[..12], &name[64..])
    } else {
        name.to_owned()
    }
}

/// Why an item is kept or removed.
pub(crate) fn why(reason: &Reason) -> String {
    match reason {
        Reason::Needed(checkout) => format!("needed by {checkout}"),
        Reason::Memory => "kept to notice an older index".to_owned(),
        Reason::Recent(idle) => format!("used {} ago", age(*idle)),
        Reason::Idle(idle) => format!("unused for {}", age(*idle)),
        Reason::Surplus(idle) => format!("over --max-size; used {} ago", age(*idle)),
    }
}

fn age(idle: Duration) -> String {
    let hours = idle.as_secs() / 3600;
    match hours {
        0 => "minutes".to_owned(),
        1 => "1 hour".to_owned(),
        2..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

/// The items that a plan would remove, one per line, and their total.
pub(crate) fn garbage(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan
        .remove
        .iter()
        .map(|(item, reason)| line(item, reason))
        .collect();
    for root in &plan.forget {
        lines.push(format!("checkout {} no longer exists", root.checkout));
    }
    lines.push(format!(
        "would remove {} ({}), keep {} ({})",
        plan.remove.len(),
        quantity::bytes(plan.freed()),
        plan.keep.len(),
        quantity::bytes(plan.remaining())
    ));
    lines.join("\n")
}

/// Number and size of the items of each kind, and of all.
pub(crate) fn sums(items: &[Item]) -> BTreeMap<&'static str, (usize, u64)> {
    let mut sums = BTreeMap::new();
    for kind in Kind::ALL {
        let its = items.iter().filter(|item| item.kind == kind);
        let sum = its.fold((0, 0), |(count, bytes), item| {
            (count + 1, bytes + item.bytes)
        });
        if sum.0 > 0 {
            sums.insert(kind.label(), sum);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_contains_entry_and_reason() {
        let item = |name: &str, about: Option<&str>| Item {
            kind: Kind::Entry,
            name: name.to_owned(),
            about: about.map(str::to_owned),
            bytes: 27_100_000,
            used: std::time::SystemTime::UNIX_EPOCH,
            path: name.into(),
        };
        let needed = Reason::Needed("/home/me/kiln".into());
        assert_eq!(
            line(&item("x", Some("linux 6.12.95 (ppc64)")), &needed),
            "  27.1 MB  entry        linux 6.12.95 (ppc64)             needed by /home/me/kiln"
        );
        let name = format!("{}-0123456789ab", "e1".repeat(32));
        let idle = Reason::Idle(Duration::from_secs(40 * 24 * 3600));
        assert_eq!(
            line(&item(&name, None), &idle),
            "  27.1 MB  entry        e1e1e1e1e1e1…-0123456789ab        unused for 40 days"
        );
    }
}
