//! A script of ktest in a guest: what it needs of the kernel, before it runs as a guest script does.

use kernel::Config;
use suite::Scripts;
use suite::ktest_script::Script;
use verdict::event::TestReport;
use verdict::outcome::Outcome;

use super::{Setting, run_script};

/// Runs it to its report.
pub(super) fn run(setting: &Setting<'_>, script: &Script, mut report: TestReport) -> TestReport {
    let image = setting.arch.image.as_ref();
    let config = image.and_then(|image| host::files::read_text(&image.config()).ok()?);
    let lacks = config.and_then(|text| lacks(&Config::parse(&text), &script.config));
    if let Some(reason) = script.skip.clone().or(lacks) {
        report.outcome = Outcome::Skipped { reason };
        return report;
    }
    TestReport {
        // It would be one of Kiln's own script around it.
        line: None,
        ..run_script(setting, Scripts::Both, report)
    }
}

/// The first option of the kernel that is missing. One that is built in serves where a module is required.
fn lacks(config: &Config, required: &[String]) -> Option<String> {
    let missing = required.iter().find(|option| {
        let (name, value) = option.split_once('=').unwrap_or((option, "y"));
        let found = config.value(name);
        found != value && !(value == "m" && found == "y")
    });
    missing
        .map(|option| format!("the kernel lacks CONFIG_{option}: boot another one with `--kernel`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_missing_option_is_named() {
        let config = Config::parse("CONFIG_A=y\nCONFIG_B=m\nCONFIG_N=64\n");
        let check = |required: &[&str], expect: Option<&str>| {
            let required: Vec<_> = required.iter().map(|&option| option.to_owned()).collect();
            let expect = expect.map(|option| {
                format!("the kernel lacks CONFIG_{option}: boot another one with `--kernel`")
            });
            assert_eq!(lacks(&config, &required), expect);
        };
        check(&["A=y", "A=m", "B=m", "N=64", "C=n"], None);
        check(&["A=y", "B=y", "C=y"], Some("B=y"));
        check(&["C=m"], Some("C=m"));
    }
}
