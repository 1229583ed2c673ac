//! Parses the sections of a `unittests.cfg` like `scripts/common.bash` of kvm-unit-tests.
//!
//! An error in a section is stored with it, so that the other tests can still run.

/// One test of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// The text between the brackets.
    pub name: String,
    /// Its line, from 1.
    pub line: u32,
    /// `file`.
    pub file: Option<String>,
    /// `smp`: what follows `-smp`.
    pub smp: Option<String>,
    /// `test_args`: what follows `-append`.
    pub test_args: Option<String>,
    /// `qemu_params`, or `extra_params`.
    pub params: Option<String>,
    /// `groups`.
    pub groups: Vec<String>,
    /// `arch`.
    pub arch: Option<String>,
    /// `machine`.
    pub machine: Option<String>,
    /// `accel`.
    pub accel: Option<String>,
    /// `timeout`.
    pub timeout: Option<String>,
    /// `check`.
    pub check: Option<String>,
    /// `disabled_if`.
    pub disabled_if: Option<String>,
    /// Its errors, with lines.
    pub faults: Vec<String>,
}

/// The keys of the format.
const KEYS: [&str; 13] = [
    "file",
    "smp",
    "test_args",
    "qemu_params",
    "extra_params",
    "kvmtool_params",
    "groups",
    "arch",
    "machine",
    "accel",
    "timeout",
    "check",
    "disabled_if",
];

/// The delimiter of a value of several lines.
const QUOTES: &str = r#"""""#;

/// Parses a file. A line of text before the first section is an error.
pub fn parse(text: &str) -> Result<Vec<Section>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut sections: Vec<Section> = Vec::new();
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let line = line.trim_matches([' ', '\t']);
        index += 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            start_section(&mut sections, name, number);
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return Err(format!("line {number}: `{line}` is outside of a section"));
        };
        let Some((key, value)) = line.split_once('=') else {
            let fault = format!("line {number}: expected `key = value`, found `{line}`");
            section.faults.push(fault);
            continue;
        };
        let key = key.trim_end_matches(' ');
        let value = value.trim_start_matches(' ');
        let spans_lines = key.ends_with("_params") && value.starts_with(QUOTES);
        if !spans_lines {
            set(section, key, value, number);
            continue;
        }
        if let Some((value, used)) = several_lines(&value[QUOTES.len()..], &lines[index..]) {
            set(section, key, &value, number);
            index += used;
        } else {
            let fault = format!("line {number}: the value of `{key}` has no closing `{QUOTES}`");
            section.faults.push(fault);
        }
    }
    Ok(sections)
}

/// Starts a section. Two of the same name would be one test in every report, so neither can run.
fn start_section(sections: &mut Vec<Section>, name: &str, line: u32) {
    if let Some(first) = sections.iter().position(|section| section.name == name) {
        let mut section = sections.remove(first);
        let fault = format!("lines {} and {line}: two sections `[{name}]`", section.line);
        section.faults.push(fault);
        sections.push(section);
        return;
    }
    sections.push(Section {
        name: name.to_owned(),
        line,
        ..Section::default()
    });
}

/// A value up to the closing quotes, and the number of its lines. A backslash joins lines.
fn several_lines(first: &str, lines: &[&str]) -> Option<(String, usize)> {
    let mut value = format!("{first}\n");
    for (index, line) in lines.iter().enumerate() {
        let before = value.trim_end_matches('\n');
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            value.truncate(before.len() - 1);
        }
        if let Some(last) = line.trim_end_matches([' ', '\t']).strip_suffix(QUOTES) {
            value.push_str(last);
            return Some((value, index + 1));
        }
        value.push_str(line);
        value.push('\n');
    }
    None
}

fn set(section: &mut Section, key: &str, value: &str, line: u32) {
    let text = Some(value.to_owned());
    match key {
        "file" => section.file = text,
        "smp" => section.smp = text,
        "test_args" => section.test_args = text,
        "qemu_params" | "extra_params" => section.params = text,
        // For another virtual machine monitor.
        "kvmtool_params" => {}
        "groups" => section.groups = value.split_whitespace().map(str::to_owned).collect(),
        "arch" => section.arch = text,
        "machine" => section.machine = text,
        "accel" => section.accel = text,
        "timeout" => section.timeout = text,
        "check" => section.check = text,
        "disabled_if" => section.disabled_if = text,
        unknown => {
            let close = plan::suggest::closest(unknown, KEYS);
            let close = close.map(|key| format!(", did you mean `{key}`?"));
            let close = close.unwrap_or_default();
            let fault = format!("line {line}: unknown key `{unknown}`{close}");
            section.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = "# comment\n\n[one]\nfile = a.flat\nsmp = $MAX_SMP\ntest_args = 'a b'\n\
                    groups = vmx  nodefault\narch=x\nmachine = m\naccel = tcg,thread=single\n\
                    timeout = 90s\ncheck = /a=b /c=d\ndisabled_if = [[ \"$A\" != b ]]\n\
                    kvmtool_params = --mem 1\n  extra_params = -m 1 # one\n[two]\nfile = b\n";
        let one = Section {
            name: "one".to_owned(),
            line: 3,
            file: Some("a.flat".to_owned()),
            smp: Some("$MAX_SMP".to_owned()),
            test_args: Some("'a b'".to_owned()),
            params: Some("-m 1 # one".to_owned()),
            groups: vec!["vmx".to_owned(), "nodefault".to_owned()],
            arch: Some("x".to_owned()),
            machine: Some("m".to_owned()),
            accel: Some("tcg,thread=single".to_owned()),
            timeout: Some("90s".to_owned()),
            check: Some("/a=b /c=d".to_owned()),
            disabled_if: Some("[[ \"$A\" != b ]]".to_owned()),
            faults: Vec::new(),
        };
        let two = Section {
            name: "two".to_owned(),
            line: 16,
            file: Some("b".to_owned()),
            ..Section::default()
        };
        assert_eq!(parse(text), Ok(vec![one, two]));
    }

    #[test]
    fn value_spans_lines_until_closing_quotes() {
        let check = |value: &str, expect: &str| {
            let text = format!("[a]\nqemu_params = {value}\ntimeout = 1\n");
            let sections = parse(&text).unwrap();
            assert_eq!(sections[0].params.as_deref(), Some(expect), "{value}");
            assert_eq!(sections[0].timeout.as_deref(), Some("1"), "{value}");
        };
        check("\"\"\"-a \\\n  -b \\\n\"\"\"", "-a   -b ");
        check("\"\"\"-a\n-b\"\"\" ", "-a\n-b");
        check("\"\"\"-a \\\\\n\"\"\"", "-a \\\\\n");
        check("\"-a\"", "\"-a\"");
    }

    #[test]
    fn fault_names_line_and_section_only() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            let text = format!("{text}\n[last]\nfile = l\n");
            let sections = parse(&text).unwrap();
            let found: Vec<_> = (sections.iter())
                .map(|section| (section.name.as_str(), section.faults.join("; ")))
                .collect();
            let mut expect: Vec<_> = (expect.iter())
                .map(|&(name, fault)| (name, fault.to_owned()))
                .collect();
            expect.push(("last", String::new()));
            assert_eq!(found, expect, "{text}");
        };
        check(
            "[a]\ntimout = 3",
            &[("a", "line 2: unknown key `timout`, did you mean `timeout`?")],
        );
        check("[a]\nzzzzzz = 3", &[("a", "line 2: unknown key `zzzzzz`")]);
        check(
            "[a]\nfile",
            &[("a", "line 2: expected `key = value`, found `file`")],
        );
        check(
            "[a]\nqemu_params = \"\"\"-b\n[b]\nsmp = 2",
            &[
                (
                    "a",
                    "line 2: the value of `qemu_params` has no closing `\"\"\"`",
                ),
                ("b", ""),
            ],
        );
        check(
            "[a]\nfile = b\n[b]\nfile = b\n[a]\nfile = c",
            &[("b", ""), ("a", "lines 1 and 5: two sections `[a]`")],
        );
        assert_eq!(
            parse("\nfile = a\n[b]\n"),
            Err("line 2: `file = a` is outside of a section".to_owned())
        );
    }
}
