//! Shortens a list of commands while a property holds: here, that QEMU crashes in the same way.
//! Pure.
//!
//! First removes whole ranges of commands, halving their length each time, until no single command
//! can be removed (Zeller's delta debugging). Then shortens the data of `write` commands.

/// Tests a list of commands. `None` ends the search early.
pub trait Oracle {
    /// Whether these commands still have the property.
    fn holds(&mut self, commands: &[String]) -> Option<bool>;
}

impl<F: FnMut(&[String]) -> Option<bool>> Oracle for F {
    fn holds(&mut self, commands: &[String]) -> Option<bool> {
        self(commands)
    }
}

/// The shortest list that was found.
pub fn minimize(commands: &[String], oracle: &mut impl Oracle) -> Vec<String> {
    let mut shortest = commands.to_vec();
    let _ended =
        drop_ranges(&mut shortest, oracle).and_then(|()| trim_writes(&mut shortest, oracle));
    shortest
}

fn drop_ranges(commands: &mut Vec<String>, oracle: &mut impl Oracle) -> Option<()> {
    let mut length = commands.len().div_ceil(2).max(1);
    loop {
        let mut removed = false;
        // From the end, because the commands before a crash are often its setup.
        let mut end = commands.len();
        while end > 0 && commands.len() > 1 {
            let start = end.saturating_sub(length);
            let mut candidate = commands.clone();
            candidate.drain(start..end);
            if !candidate.is_empty() && oracle.holds(&candidate)? {
                *commands = candidate;
                removed = true;
            }
            end = start;
        }
        if length > 1 {
            length = length.div_ceil(2).min(length - 1);
        } else if !removed {
            return Some(());
        }
    }
}

fn trim_writes(commands: &mut [String], oracle: &mut impl Oracle) -> Option<()> {
    for index in 0..commands.len() {
        while let Some(shorter) = halved(&commands[index]) {
            let whole = std::mem::replace(&mut commands[index], shorter);
            if !oracle.holds(commands)? {
                commands[index] = whole;
                break;
            }
        }
    }
    Some(())
}

/// `write ADDRESS SIZE DATA` with the first half of its data.
fn halved(command: &str) -> Option<String> {
    let mut words = command.split_whitespace();
    let (name, address, _) = (words.next()?, words.next()?, words.next()?);
    let data = words.next()?.strip_prefix("0x")?;
    let bytes = data.len() / 2;
    if name != "write" || bytes < 2 || !data.is_ascii() {
        return None;
    }
    let half = bytes.div_ceil(2);
    Some(format!("write {address} {half:#x} 0x{}", &data[..2 * half]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(text: &str) -> Vec<String> {
        text.split(';').map(|it| it.trim().to_owned()).collect()
    }

    #[test]
    fn only_needed_commands_remain() {
        let check = |text: &str, needed: &[&str], expect: &str| {
            let all = commands(text);
            let mut tries = 0;
            let mut oracle = |candidate: &[String]| {
                tries += 1;
                Some(
                    needed
                        .iter()
                        .all(|it| candidate.iter().any(|found| found == it)),
                )
            };
            assert_eq!(minimize(&all, &mut oracle), commands(expect), "{text}");
            assert!(tries < 40, "{tries}");
        };
        check("a;b;c;d;e;f;g;h", &["c", "g"], "c;g");
        check("a;b;c", &["a"], "a");
        check("a", &["a"], "a");
        check("a;b;a;b;a;b", &["a", "b"], "b;a");
    }

    #[test]
    fn write_data_is_halved_while_property_holds() {
        let all = commands("write 0x10 0x8 0x0011223344556677; readl 0x0");
        let mut oracle =
            |candidate: &[String]| Some(candidate.len() == 2 && candidate[0].contains("0x0011"));
        let expect = commands("write 0x10 0x2 0x0011; readl 0x0");
        assert_eq!(minimize(&all, &mut oracle), expect);
    }

    #[test]
    fn ended_search_keeps_its_best_result() {
        let all = commands("a;b;c;d");
        let mut left = 1;
        let mut oracle = |_: &[String]| {
            left -= 1;
            (left >= 0).then_some(true)
        };
        assert_eq!(minimize(&all, &mut oracle), commands("a;b"));
    }
}
