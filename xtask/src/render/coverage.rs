//! Renders device coverage: a line per architecture, then the untested devices.

use std::fmt::Write as _;

use verdict::coverage::Coverage;

use crate::output::{Color, Style};

/// Maximum width of the list of devices.
const WIDTH: usize = 96;
const INDENT: &str = "             ";

/// The lines for one architecture.
pub(crate) fn text(coverage: &Coverage, style: Style) -> String {
    let mut text = format!(
        "{} {}: {} of {} devices ({:.1} %)",
        style.paint(Color::Green, &format!("{:>12}", "Coverage")),
        coverage.arch,
        coverage.covered.len(),
        coverage.total(),
        coverage.percent(),
    );
    let mut column = WIDTH;
    for (index, device) in coverage.not_covered.iter().enumerate() {
        if index == 0 {
            let heading = style.paint(Color::Bold, &format!("{:>12}", "not covered"));
            let _ = write!(text, "\n{heading} {device}");
            column = INDENT.len() + device.len();
        } else if column + 1 + device.len() > WIDTH {
            let _ = write!(text, "\n{INDENT}{device}");
            column = INDENT.len() + device.len();
        } else {
            let _ = write!(text, " {device}");
            column += 1 + device.len();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untested_devices_are_wrapped_to_width() {
        let names = |count: usize| {
            (0..count)
                .map(|n| format!("virtio-device-{n:02}"))
                .collect()
        };
        let coverage = Coverage {
            arch: "x".to_owned(),
            covered: ["edu".to_owned()].into(),
            not_covered: names(7),
        };
        let style = Style {
            color: false,
            interactive: false,
        };
        insta::assert_snapshot!(text(&coverage, style), @r"
           Coverage x: 1 of 8 devices (12.5 %)
        not covered virtio-device-00 virtio-device-01 virtio-device-02 virtio-device-03
                    virtio-device-04 virtio-device-05 virtio-device-06
        ");
    }
}
