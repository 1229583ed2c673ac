//! The devices that tests declare in their headers or use literally in their scripts.

use std::collections::BTreeSet;

use qemu::Facts;
use verdict::coverage::Coverage;

use crate::files::Selected;

/// The coverage by the headers and scripts of this architecture's tests.
pub fn declared(arch: &str, facts: &Facts, tests: &[Selected<'_>]) -> std::io::Result<Coverage> {
    let mut named = BTreeSet::new();
    for selected in tests.iter().filter(|selected| selected.arch == arch) {
        let test = selected.test;
        named.extend(test.header.devices().map(str::to_owned));
        if test.header.body.is_script() {
            named.extend(in_script(&fs_err::read_to_string(&test.path)?));
        }
    }
    Ok(Coverage::new(arch, facts, named.iter().map(String::as_str)))
}

/// Literal devices in a script: after `-device` or `plug`, or as a `driver=`.
fn in_script(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = code
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || "\"'()`;".contains(c)))
        .filter(|word| !word.is_empty())
        .collect();
    let after = words.windows(2).filter_map(|pair| {
        let names_one = matches!(pair[0], "-device" | "--device" | "plug");
        names_one.then_some(pair[1])
    });
    let drivers = words.iter().filter_map(|word| {
        let mut parts = word.split(',');
        parts.find_map(|part| part.strip_prefix("driver="))
    });
    let names = after
        .chain(drivers)
        .filter_map(|word| word.split(',').next());
    names
        .filter(|name| !name.contains(['$', '=', '{']))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_found_in_scripts() {
        let text = "# qemu -device commented\n\
                    qemu -device nvme,serial=a -device \"$nic\" --device 'edu'\n\
                    qmp device_add driver=usb-kbd id=k\n\
                    disk=$(plug virtio-blk-pci drive=d)\n\
                    qemu -device id=x,driver=e1000 -device ${nic}-pci -device\n";
        let found: Vec<String> = in_script(text).into_iter().collect();
        assert_eq!(found, ["e1000", "edu", "nvme", "usb-kbd", "virtio-blk-pci"]);
    }
}
