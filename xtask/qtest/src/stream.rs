//! Parses streams of qtest commands from files: our transcripts, and attachments of bug reports.
//! Pure.
//!
//! A report usually contains a here-document that is piped into QEMU, with continuation lines,
//! comments and damage from mail: CRLF, quoted-printable soft line breaks, `> ` before each line.

use crate::transcript::{COMMAND, COMMAND_LINE, COMMENT, REPLY};

/// A command line of QEMU and the commands for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// The comments without their marks.
    pub comments: Vec<String>,
    /// The name of the QEMU binary, such as `qemu-system-i386`.
    pub binary: Option<String>,
    /// QEMU's options, except those that a replay sets itself.
    pub arguments: Vec<String>,
    /// The commands.
    pub steps: Vec<Step>,
}

/// A command, and the lines that QEMU wrote after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The command.
    pub command: String,
    /// Recorded lines from QEMU, empty in a bug report.
    pub replies: Vec<String>,
}

/// Why a file is not a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The file contains no command.
    #[error("expected qtest commands such as `outl 0xcf8 0x80000000`, found none")]
    NoCommands,
    /// The file only refers to the commands.
    #[error(
        "the commands are at {0}, not in this file: download them and append them to the command line"
    )]
    Elsewhere(String),
    /// A line is neither a command nor a comment.
    #[error("line {line}: `{text}` is not a qtest command")]
    Line {
        /// Its number in the file.
        line: usize,
        /// The text of the line.
        text: String,
    },
    /// The command line is missing, or not that of QEMU.
    #[error("expected the command line of QEMU, `qemu-system-…`")]
    NoQemu,
}

/// The first words of the protocol's commands (QEMU's `system/qtest.c`).
const COMMANDS: &[&str] = &[
    "outb",
    "outw",
    "outl",
    "inb",
    "inw",
    "inl",
    "writeb",
    "writew",
    "writel",
    "writeq",
    "readb",
    "readw",
    "readl",
    "readq",
    "read",
    "write",
    "b64read",
    "b64write",
    "memset",
    "clock_step",
    "clock_set",
    "irq_intercept_in",
    "irq_intercept_out",
    "set_irq_in",
    "rtas",
    "module_load",
    "endianness",
];

/// Options that a replay sets itself, with a value.
const OURS: &[&str] = &[
    "-qtest",
    "-qtest-log",
    "-display",
    "-accel",
    "-monitor",
    "-qmp",
    "-trace",
    "-d",
    "-D",
    "-L",
];
/// Options that a replay sets itself, without a value.
const OUR_FLAGS: &[&str] = &[
    "-nographic",
    "-S",
    "-enable-kvm",
    "-no-shutdown",
    "-no-user-config",
    "-nodefaults",
    "-daemonize",
];

impl Stream {
    /// Parses a file.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        let mut stream = Self::default();
        let mut end_of_document = None;
        for (number, line) in logical_lines(&decoded(text)) {
            stream.take(number, &line, &mut end_of_document)?;
        }
        if stream.steps.is_empty() {
            return Err(StreamError::NoCommands);
        }
        Ok(stream)
    }

    fn take(
        &mut self,
        number: usize,
        line: &str,
        end_of_document: &mut Option<String>,
    ) -> Result<(), StreamError> {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix(COMMENT.trim_end()) {
            self.comments.push(comment.trim().to_owned());
            return Ok(());
        }
        if let Some(reply) = line.strip_prefix(REPLY) {
            if let Some(step) = self.steps.last_mut() {
                step.replies.push(reply.trim().to_owned());
            }
            return Ok(());
        }
        let line = without_comments(line);
        let line = unmarked(&line);
        if line.is_empty() || end_of_document.as_deref() == Some(line) {
            return Ok(());
        }
        let words = words(line);
        let is_qemu = |word: &String| name(word).starts_with("qemu-system-");
        if let Some(at) = words.iter().position(is_qemu) {
            let url = words[..at].iter().find(|word| word.contains("://"));
            if let Some(url) = url {
                return Err(StreamError::Elsewhere(url.clone()));
            }
            *end_of_document = document_end(&words);
            self.binary = Some(name(&words[at]).to_owned());
            self.arguments = arguments(&words[at + 1..]);
            return Ok(());
        }
        if let Some(end) = document_end(&words) {
            *end_of_document = Some(end);
            return Ok(());
        }
        let first = words.first().map(String::as_str).unwrap_or_default();
        if !COMMANDS.contains(&first) {
            return Err(StreamError::Line {
                line: number,
                text: line.to_owned(),
            });
        }
        self.steps.push(Step {
            command: words.join(" "),
            replies: Vec::new(),
        });
        Ok(())
    }

    /// Formats the stream like a transcript.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.comments.iter().map(|it| format!("{COMMENT}{it}")));
        if let Some(binary) = &self.binary {
            let words: Vec<&str> = std::iter::once(binary.as_str())
                .chain(self.arguments.iter().map(String::as_str))
                .collect();
            let line = host::process::command::quote_line(&words);
            lines.push(format!("{COMMAND_LINE}{line}"));
        }
        for step in &self.steps {
            lines.push(format!("{COMMAND}{}", step.command));
            lines.extend(step.replies.iter().map(|it| format!("{REPLY}{it}")));
        }
        lines.join("\n") + "\n"
    }

    /// The commands.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.command.clone()).collect()
    }

    /// The same stream with other commands.
    #[must_use]
    pub fn with_commands(&self, commands: &[String]) -> Self {
        let step = |command: &String| Step {
            command: command.clone(),
            replies: Vec::new(),
        };
        Self {
            steps: commands.iter().map(step).collect(),
            ..self.clone()
        }
    }
}

/// Decodes quoted-printable if a text has its marks: `=` at the end of a line, and `=3D`.
fn decoded(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    if !text.contains("=3D") && !text.contains("=\n") {
        return text;
    }
    text.replace("=\n", "")
        .replace("=3D", "=")
        .replace("=20\n", "\n")
}

/// Joins lines that end in a backslash, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let (content, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(content) => (content, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| continues) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(unmarked(content.trim_start()));
            }
            None => lines.push((index + 1, content.to_owned())),
        }
        continues = goes_on;
    }
    lines
}

/// Removes `/* … */` and `// …`.
fn without_comments(line: &str) -> String {
    let mut rest = line;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    // A URL contains slashes too.
    match kept.split_once(" // ") {
        Some((before, _)) => before.trim().to_owned(),
        None if kept.starts_with("//") => String::new(),
        None => kept.trim().to_owned(),
    }
}

/// Removes the marks of a transcript, a mail or a terminal before a line.
fn unmarked(line: &str) -> &str {
    let mut line = line.trim();
    while let Some(rest) = line
        .strip_prefix(COMMAND.trim_end())
        .or_else(|| line.strip_prefix(COMMAND_LINE))
    {
        line = rest.trim_start();
    }
    line
}

/// Splits a shell line with quotes and backslashes into words.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The delimiter of the here-document that a line begins: `<<EOF`, `<< 'EOF'`.
fn document_end(words: &[String]) -> Option<String> {
    let at = words.iter().position(|word| word.starts_with("<<"))?;
    let own = words[at].trim_start_matches(['<', '-']);
    let end = if own.is_empty() {
        words.get(at + 1)?
    } else {
        own
    };
    Some(end.to_owned())
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// QEMU's options without redirections, pipes and those that a replay sets itself.
fn arguments(words: &[String]) -> Vec<String> {
    let is_end = |word: &&String| {
        word.starts_with(['<', '|', ';', '&']) || word.starts_with("2>") || word.starts_with('>')
    };
    let count = words.iter().take_while(|word| !is_end(word)).count();
    let mut kept = Vec::new();
    let mut words = words[..count].iter();
    while let Some(word) = words.next() {
        let option = word.replacen("--", "-", 1);
        if OUR_FLAGS.contains(&option.as_str()) {
            continue;
        }
        if OURS.contains(&option.as_str()) {
            words.next();
            continue;
        }
        if matches!(option.as_str(), "-machine" | "-M") {
            let value = words.next().map(String::as_str).unwrap_or_default();
            let parts = value.split(',').filter(|part| !part.starts_with("accel="));
            let value = parts.collect::<Vec<_>>().join(",");
            if !value.is_empty() {
                kept.extend(["-machine".to_owned(), value]);
            }
            continue;
        }
        kept.push(if word.starts_with("--") {
            option
        } else {
            word.clone()
        });
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, binary: &str, arguments: &str, commands: &[&str]) {
        let stream = Stream::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            stream.binary.as_deref().unwrap_or_default(),
            binary,
            "{text}"
        );
        assert_eq!(stream.arguments.join(" "), arguments, "{text}");
        assert_eq!(stream.commands(), commands, "{text}");
    }

    #[test]
    fn forms_of_bug_reports_are_read() {
        let commands = ["outl 0xcf8 0x80002010", "outl 0xcfc 0xe0000000"];
        let body = "outl 0xcf8 0x80002010\noutl 0xcfc 0xe0000000\n";
        let after = format!(
            "cat << EOF | ./i386-softmmu/qemu-system-i386 -machine q35,accel=qtest \\\n -nodefaults -display none \\\n\
             -device e1000e,netdev=n -qtest stdio\n{body}EOF\n"
        );
        let options = "-machine q35 -device e1000e,netdev=n";
        check(&after, "qemu-system-i386", options, &commands);
        check(
            &after.replace('\n', "\r\n"),
            "qemu-system-i386",
            options,
            &commands,
        );
        let before = format!(
            "$ qemu-system-x86_64 -M pc -m 1G -qtest stdio -monitor none <<'END' 2>&1\n{body}END\n"
        );
        check(
            &before,
            "qemu-system-x86_64",
            "-machine pc -m 1G",
            &commands,
        );
        let quoted = format!("> {}", after.trim_end().replace('\n', "\n> "));
        check(&quoted, "qemu-system-i386", options, &commands);
        let mail = after
            .replace("0x80002010", "0x8000=\n2010")
            .replace("netdev=n", "netdev=3Dn");
        let mail = mail.replace("accel=q", "accel=3Dq");
        check(&mail, "qemu-system-i386", options, &commands);
        let comments = format!(
            "# A title.\n/* bar */\n{}// end\n",
            body.replace('\n', " /* x */\n")
        );
        check(&comments, "", "", &commands);
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Stream::parse(text).unwrap_err().to_string(), expect);
        };
        let none = "expected qtest commands such as `outl 0xcf8 0x80000000`, found none";
        check("", none);
        check("cat <<EOF | qemu-system-x86_64 -qtest stdio\nEOF\n", none);
        check(
            "\nhello world\n",
            "line 2: `hello world` is not a qtest command",
        );
        let url = "https://example.org/x";
        check(
            &format!("curl {url} | qemu-system-x86_64 -qtest stdio"),
            &StreamError::Elsewhere(url.to_owned()).to_string(),
        );
    }

    #[test]
    fn replies_belong_to_their_commands() {
        let text = "# Title\n$ qemu-system-x -device 'a b'\n> inb 0x70\n< IRQ raise 1\n< OK 0x00\n> endianness\n< OK big\n";
        let stream = Stream::parse(text).unwrap();
        assert_eq!(stream.steps[0].replies, ["IRQ raise 1", "OK 0x00"]);
        assert_eq!(stream.text(), text);
    }

    #[test]
    fn quotes_and_backslashes_follow_the_shell() {
        assert_eq!(
            words(r#"a 'b c' "d\"e" f\ g ''"#),
            ["a", "b c", "d\"e", "f g", ""]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            if let Ok(stream) = Stream::parse(&text) {
                prop_assert!(!stream.steps.is_empty());
            }
        }
    }
}
