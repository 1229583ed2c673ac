//! Shows that a device test can fail: runs its body with a wrong expectation on a real QEMU.

use std::time::Duration;

use camino::Utf8Path;
use harness::{skip, unsuited};
use host::scratch::Scratch;
use host::test_time::TestClock;
use qtest::session::Spec;
use qtest::{Bench, Failure, Machine, Session, Test};

use crate::machines;

const WAIT: Duration = Duration::from_secs(30);

/// Runs a body like the test of this name, on the first machine of an installed QEMU that meets its
/// needs.
fn run(
    test: &Test,
    body: impl FnOnce(&mut Bench<'_>) -> Result<(), Failure>,
) -> Option<Result<(), Failure>> {
    let mut machines = machines().unwrap().iter();
    let machine = machines
        .find(|machine| machine.provides(test.needs))
        .unwrap();
    let binary = format!("qemu-system-{}", machine.arch);
    let Some(binary) = host::tools::find(&binary) else {
        skip(&format!("`{binary}` is not installed"));
        return None;
    };
    let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "device").unwrap();
    let facts = qemu::probe::ask(&binary, &[], scratch.path(), WAIT).unwrap();
    if test.clock && !facts.has_accel("qtest") {
        unsuited("the installed QEMU lacks the `qtest` accelerator");
        return None;
    }
    if let Some(companion) = &test.companion
        && host::tools::find(companion.program).is_none()
    {
        skip(&format!("`{}` is not installed", companion.program));
        return None;
    }
    let clock = TestClock::default();
    let companion = test
        .companion
        .map(|it| it.start(scratch.path(), &clock).unwrap());
    let arguments = arguments(machine, test);
    let layout = machine.layout();
    let spec = Spec {
        binary: &binary,
        facts: &facts,
        run_dir: scratch.path(),
        arguments: &arguments,
        wait: WAIT,
        clock: &clock,
        memory: layout.as_ref(),
    };
    let session = Session::start(&spec).unwrap();
    let result = body(&mut Bench::new(session, machine));
    drop(companion);
    Some(result)
}

fn arguments(machine: &Machine, test: &Test) -> Vec<String> {
    let own = test.arguments.iter().map(|it| (*it).to_owned());
    machine.arguments().into_iter().chain(own).collect()
}

/// Checks that a test fails with a wrong expectation about `what`.
pub(crate) fn check_fails(
    tests: &[Test],
    name: &str,
    what: &str,
    body: impl FnOnce(&mut Bench<'_>) -> Result<(), Failure>,
) {
    let test = tests.iter().find(|test| test.name == name).unwrap();
    match run(test, body) {
        None => {}
        Some(Err(Failure::Unexpected { what: found, .. })) => {
            assert!(
                found.contains(what),
                "expected a failure about {what}, found {found}"
            );
        }
        Some(result) => panic!("{name} with a wrong {what}: {result:?}"),
    }
}
