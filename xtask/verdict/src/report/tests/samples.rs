//! A run with one test of each kind, for the snapshots of all report formats.

use crate::coverage::Coverage;
use crate::event::tests::{run_report, test_report};
use crate::event::{Attempt, RunReport, Subtest, TestReport};
use crate::origin::Platform;
use crate::outcome::{Outcome, Phase};

fn failed(cause: &str) -> Outcome {
    let cause = cause.to_owned();
    Outcome::Failed { cause }
}

fn tries(cause: &str) -> Vec<Attempt> {
    vec![Attempt {
        outcome: failed(cause),
        duration_ms: 900,
        log_dir: Some("runs/1/try".into()),
    }]
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Contains every outcome, guest text that tries to look like markup, and every optional field.
pub(crate) fn run() -> RunReport {
    let reason = "QEMU lacks `edu` # no PCI".to_owned();
    let mut nasty = test_report("ppc64::net::nic", failed("a < b & \"c\"\nok 3 - forged"));
    nasty.evidence.output_tail =
        lines("\u{1b}]0;x\u{7} <![CDATA[ ]]> \0\n::error::x\n</pre><script>");
    nasty.failed_tries = tries("the link is down");
    nasty.evidence.notes = lines("a forged record was ignored");
    let mut golden = test_report(
        "x86_64::block::ktap",
        failed("output differs from `ktap.good`"),
    );
    golden.evidence.diff =
        lines("--- ktap.good\n+++ output.log\n@@ -1,2 +1,2 @@\n one\n-two\n+<three>");
    golden.evidence.subtests = ["read", "write", "erase"]
        .into_iter()
        .zip([
            Outcome::Passed,
            failed("4 # 5"),
            Outcome::Skipped {
                reason: "no disk".to_owned(),
            },
        ])
        .map(|(name, outcome)| Subtest {
            name: format!("disk::{name}"),
            outcome,
        })
        .collect();
    let mut flaky = test_report("x86_64::net::nic", Outcome::Passed);
    flaky.failed_tries = tries("no address");
    flaky.setup.round = 1;
    let mut unstable = test_report(
        "x86_64::net::lost",
        Outcome::QemuCrashed {
            signal: 11,
            message: None,
        },
    );
    unstable.unstable = Some("see https://example.org/1#2".to_owned());
    let mut slow = test_report("x86_64::boot::true", Outcome::Passed);
    slow.slow = true;
    slow.setup.choices.clear();
    let message = "no disk".to_owned();
    let why = "the run was interrupted".to_owned();
    let late = Outcome::TimedOut {
        phase: Phase::Test,
        limit_ms: 30_000,
    };
    let tests: Vec<TestReport> = vec![
        slow,
        test_report("x86_64::boot::uname", Outcome::Skipped { reason }),
        golden,
        flaky,
        unstable,
        test_report("ppc64::boot::true", Outcome::HarnessError { message }),
        test_report("ppc64::block::hang", late),
        nasty,
        test_report("ppc64::usb::kbd", Outcome::NotRun { why }),
    ];
    let mut run = run_report(tests);
    let ppc64 = Platform {
        arch: "ppc64".to_owned(),
        ..run.platforms[0].clone()
    };
    run.platforms.push(ppc64);
    let devices = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    run.coverage = Some(vec![Coverage {
        arch: "x86_64".to_owned(),
        covered: devices(&["e1000", "nvme"]),
        not_covered: devices(&["rocker"]),
    }]);
    run
}
