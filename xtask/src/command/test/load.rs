//! Loads the tests of a checkout: shell tests, and device tests with their machines.

use suite::Suite;

use super::TESTS;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Reads the suite. An error in a test counts only if the test is selected.
pub fn load(context: &Context, arches: &[String]) -> Result<Suite, Failure> {
    let mut suite = Suite::load(&context.root.join(TESTS), arches)
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let machines = device_tests::machines().map_err(|error| Failure::new(Exit::Failed, error))?;
    let pairs = suite::device::pairs(&context.root, arches, device_tests::tests(), machines);
    suite.tests.extend(pairs);
    Ok(suite)
}
