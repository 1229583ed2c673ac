//! Fragments of a kernel config: which options are requested, by which file, and which of them the
//! kernel's own build did not accept.

use crate::config::{Config, line, option};

/// Requested options in order. A later request for an option replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragments(Vec<Request>);

/// A requested option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its name without `CONFIG_`.
    pub option: String,
    /// The requested value, `n` for an option that is off.
    pub value: String,
    /// The file or the test that requests it.
    pub origin: String,
}

/// A line that is neither an option nor a comment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{origin}:{line}: expected `CONFIG_NAME=value` or `# CONFIG_NAME is not set`, found `{text}`"
)]
pub struct FragmentError {
    origin: String,
    line: usize,
    text: String,
}

impl Fragments {
    /// Adds the lines of a file.
    pub fn add(&mut self, text: &str, origin: &str) -> Result<(), FragmentError> {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some((option, value)) = option(line) {
                self.set(option, value, origin);
            } else if !line.is_empty() && !line.starts_with('#') {
                return Err(FragmentError {
                    origin: origin.to_owned(),
                    line: number + 1,
                    text: line.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Adds an option that a test needs, `NAME` or `NAME=value`. An option that is built in also
    /// meets a request for a module.
    pub fn require(&mut self, option: &str, origin: &str) {
        let option = option.trim_start_matches("CONFIG_");
        let (name, value) = option.split_once('=').unwrap_or((option, "y"));
        let is_built_in = |request: &Request| request.option == name && request.value == "y";
        if value != "m" || !self.0.iter().any(is_built_in) {
            self.set(name, value, origin);
        }
    }

    fn set(&mut self, option: &str, value: &str, origin: &str) {
        // In a choice, Kconfig selects the last option of the file.
        self.0.retain(|request| request.option != option);
        self.0.push(Request {
            option: option.to_owned(),
            value: value.to_owned(),
            origin: origin.to_owned(),
        });
    }

    /// The text of a file with all requests.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.0.iter();
        let lines = lines.map(|request| line(&request.option, &request.value) + "\n");
        lines.collect()
    }

    /// The requests that a config does not meet, each with the value of its option.
    #[must_use]
    pub fn lost<'a>(&'a self, config: &'a Config) -> Vec<(&'a Request, &'a str)> {
        let values = self.0.iter();
        let values = values.map(|request| (request, config.value(&request.option)));
        values
            .filter(|(request, value)| request.value != *value)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_requests_replace_earlier_ones() {
        let mut all = Fragments::default();
        all.add("# Base.\nCONFIG_HZ_100=y\nCONFIG_NR_CPUS=64\n\n", "base")
            .unwrap();
        all.require("NR_CPUS=8", "a::test");
        all.require("CONFIG_NET", "a::test");
        all.require("NET=m", "b::test");
        all.add("CONFIG_HZ_1000=y\n# CONFIG_HZ_100 is not set\n", "own")
            .unwrap();
        let text = "CONFIG_NR_CPUS=8\nCONFIG_NET=y\nCONFIG_HZ_1000=y\n# CONFIG_HZ_100 is not set\n";
        assert_eq!(all.text(), text);
    }

    #[test]
    fn unmet_requests_have_their_origin_and_value() {
        let mut all = Fragments::default();
        all.add(
            "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=n\nCONFIG_S=\"x y\"\n",
            "own",
        )
        .unwrap();
        let config = Config::parse("CONFIG_B=y\nCONFIG_S=\"x y\"\n");
        let lost = all.lost(&config).into_iter();
        let lost: Vec<_> = lost
            .map(|(request, value)| (&*request.option, &*request.value, value, &*request.origin))
            .collect();
        assert_eq!(lost, [("A", "y", "n", "own"), ("B", "m", "y", "own")]);
    }

    #[test]
    fn invalid_line_is_reported_with_its_number() {
        let check = |text: &str, line: usize| {
            let mut all = Fragments::default();
            let error = all.add(text, "f").unwrap_err();
            assert_eq!(error.line, line, "{error}");
        };
        check("CONFIG_A=y\nA=y\n", 2);
        check("CONFIG_A\n", 1);
        check("CONFIG_A B=y\n", 1);
        check("CONFIG_=y\n", 1);
    }
}
