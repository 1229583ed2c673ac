use verdict::event::{Attempt, Evidence, SCHEMA, Setup, Times};
use verdict::kind::TestKind;
use verdict::origin::Origin;

use super::*;

const PLAIN: Style = Style {
    color: false,
    interactive: false,
};

fn report(test: &str, outcome: Outcome) -> TestReport {
    TestReport {
        kind: Some(TestKind::Guest),
        name: format!("ppc64::area::{test}"),
        arch: "ppc64".to_owned(),
        area: "area".to_owned(),
        test: test.to_owned(),
        description: String::new(),
        outcome,
        times: Times {
            duration_ms: 1234,
            ..Times::default()
        },
        setup: Setup {
            accel: "tcg".to_owned(),
            qemu: "10.0.2".to_owned(),
            machine: "pseries".to_owned(),
            seed: 7,
            ..Setup::default()
        },
        evidence: Evidence {
            log_dir: Some("runs/1".into()),
            ..Evidence::default()
        },
        reproduce: format!("cargo xtask test --exact ppc64::area::{test} --seed 7"),
        failed_tries: Vec::new(),
        unstable: None,
        slow: false,
        differs_by_start: false,
    }
}

fn run(tests: Vec<TestReport>) -> RunReport {
    RunReport {
        schema: SCHEMA,
        origin: Origin::default(),
        platforms: Vec::new(),
        seed: 7,
        tests,
        duration_ms: 754_000,
        interrupted: None,
        run_dir: "runs/1".into(),
        coverage: None,
    }
}

fn failed(cause: &str) -> Outcome {
    let cause = cause.to_owned();
    Outcome::Failed { cause }
}

#[test]
fn unusual_results_are_repeated_at_the_end() {
    let why = "interrupted".to_owned();
    let mut slow = report("slow", Outcome::Passed);
    slow.slow = true;
    let mut flaky = report("flaky", Outcome::Passed);
    flaky.failed_tries = vec![Attempt {
        outcome: failed("the link is down"),
        duration_ms: 1,
        log_dir: Some("runs/1/try-1".into()),
    }];
    let mut unstable = report(
        "unstable",
        Outcome::QemuCrashed {
            signal: 11,
            message: None,
        },
    );
    unstable.unstable = Some("see issue 1".to_owned());
    let reason = "QEMU has no device `igb`".to_owned();
    let tests = vec![
        slow,
        report("skips", Outcome::Skipped { reason }),
        report("fails", failed("no disk")),
        flaky,
        unstable,
        report("one", Outcome::NotRun { why: why.clone() }),
        report("other", Outcome::NotRun { why: why.clone() }),
        report("panics", Outcome::GuestPanicked { message: why }),
    ];
    let text = finished_run(PLAIN, false, &run(tests));
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
    insta::assert_snapshot!(text);
}

#[test]
fn successful_run_ends_in_one_line() {
    let text = finished_run(PLAIN, false, &run(vec![report("fine", Outcome::Passed)]));
    insta::assert_snapshot!(text, @r"
        PASS [  1.23s] ppc64::area::fine
     Summary [12m 34s] 1 test: 1 passed
    ");
}
