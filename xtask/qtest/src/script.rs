//! A stream as a shell script for a bug report: QEMU's command line with the commands as a
//! here-document. Pure.

use std::fmt::Write;

use host::process::command::{quote, quote_line};

use crate::stream::Stream;

/// The end of the here-document.
const END: &str = "EOF";
/// Options that a session sets too. Without the accelerator `qtest`, it uses TCG with a stopped machine.
const OPTIONS: &str = "-nodefaults -no-user-config -display none -qtest-log none -qtest stdio";

impl Stream {
    /// The commands, one per line, as `qemu-system-… -qtest stdio` reads them.
    #[must_use]
    pub fn command_lines(&self) -> String {
        let lines = self.steps.iter().map(|step| format!("{}\n", step.command));
        lines.collect()
    }

    /// The script. `None` if the stream does not say which QEMU it is for.
    #[must_use]
    pub fn script(&self) -> Option<String> {
        let binary = self.binary.as_deref()?;
        let mut text = "#!/bin/sh\n".to_owned();
        for comment in &self.comments {
            let _ = writeln!(text, "# {comment}");
        }
        let binary = quote(binary);
        let _ = write!(
            text,
            "# QEMU replies to each command, and does not exit after the last one: press Ctrl-C.\n\
             {binary} {} \\\n    {OPTIONS} \\\n    \
             -accel $({binary} -accel help | grep '^qtest$' || echo tcg -S) << '{END}'\n",
            quote_line(&self.arguments),
        );
        text.push_str(&self.command_lines());
        let _ = writeln!(text, "{END}");
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_has_command_line_and_commands() {
        let text = "# QEMU 10.0.2\n$ qemu-system-x -machine m -device 'a b'\n> inb 0x70\n< OK 0x00\n> outb 0x70 0x1\n";
        let stream = Stream::parse(text).unwrap();
        assert_eq!(stream.command_lines(), "inb 0x70\noutb 0x70 0x1\n");
        let script = stream.script().unwrap();
        let expect = "#!/bin/sh\n# QEMU 10.0.2\n\
             # QEMU replies to each command, and does not exit after the last one: press Ctrl-C.\n\
             qemu-system-x -machine m -device 'a b' \\\n    \
             -nodefaults -no-user-config -display none -qtest-log none -qtest stdio \\\n    \
             -accel $(qemu-system-x -accel help | grep '^qtest$' || echo tcg -S) << 'EOF'\n\
             inb 0x70\noutb 0x70 0x1\nEOF\n";
        assert_eq!(script, expect);
        // A script is a reproducer as well.
        let again = Stream::parse(&script).unwrap();
        assert_eq!(again.commands(), stream.commands());
        assert_eq!(
            (again.binary, again.arguments),
            (stream.binary, stream.arguments)
        );
        assert_eq!(Stream::parse("inb 0x70\n").unwrap().script(), None);
    }
}
