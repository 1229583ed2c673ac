//! Error chains: an error and its causes, as text. Used wherever an error becomes part of a
//! message.

use std::error::Error;

/// The causes of an error, from the nearest to the first, without the error itself.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// Formats an error and its causes in one line. A cause is skipped if the line already ends with
/// its text, because wrappers often print what they wrap.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    for cause in causes(error).map(ToString::to_string) {
        if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (text, below) = texts.split_first().unwrap();
        let source = (!below.is_empty()).then(|| Box::new(layers(below)));
        Layer { text, source }
    }

    #[test]
    fn causes_follow_unless_already_printed() {
        for (texts, expect) in [
            (&["failed to boot"][..], "failed to boot"),
            (
                &["failed to boot", "no kernel", "no file"],
                "failed to boot: no kernel: no file",
            ),
            (
                &["failed to boot: no kernel", "no kernel"],
                "failed to boot: no kernel",
            ),
            (
                &["no kernel was found", "no kernel"],
                "no kernel was found: no kernel",
            ),
        ] {
            assert_eq!(one_line(&layers(texts)), expect);
        }
    }
}
