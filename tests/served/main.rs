//! Publishes to real servers on this host: nginx, Debian's `docker-registry`, `s3s-fs`. A test
//! whose server is not installed is ignored with that reason. `cargo xtask ci --setup` installs
//! them.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "acts from outside, as a user does"
)]

mod bucket;
mod registry;
mod server;
mod web;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use harness::checkout::{ARCH, Checkout};
use libtest_mimic::{Arguments, Completion, Trial};

fn main() -> ExitCode {
    let qemu = format!("qemu-system-{ARCH}");
    // Shared, and created when the first test needs it.
    let shared = Arc::<OnceLock<Checkout>>::default();
    let trial =
        |name: &str, servers: &'static [&'static str], test: fn(&Checkout) -> Completion| {
            let (qemu, shared) = (qemu.clone(), Arc::clone(&shared));
            Trial::ignorable_test(name, move || {
                let mut needs = servers.iter().copied().chain([qemu.as_str()]);
                if let Some(missing) = needs.find(|program| server::program(program).is_none()) {
                    return Ok(Completion::ignored_with(format!("there is no `{missing}`")));
                }
                Ok(test(shared.get_or_init(published)))
            })
        };
    let trials = vec![
        trial(
            "a_tree_that_nginx_serves_is_walked_and_each_fault_named",
            &["nginx"],
            web::a_tree_that_nginx_serves_is_walked_and_each_fault_named,
        ),
        trial(
            "a_second_machine_tests_from_a_mirror_and_then_offline",
            &["nginx"],
            web::a_second_machine_tests_from_a_mirror_and_then_offline,
        ),
        trial(
            "a_registry_gives_back_what_it_was_pushed_and_is_pushed_it_once",
            &["docker-registry"],
            registry::a_registry_gives_back_what_it_was_pushed_and_is_pushed_it_once,
        ),
        trial(
            "a_registry_that_refuses_has_no_tag_and_the_error_says_what_mends_it",
            &["docker-registry", "nginx"],
            registry::a_registry_that_refuses_has_no_tag_and_the_error_says_what_mends_it,
        ),
        trial(
            "a_registry_whose_disk_fills_up_has_no_tag",
            &["docker-registry", "unshare"],
            registry::a_registry_whose_disk_fills_up_has_no_tag,
        ),
        trial(
            "a_bucket_is_filled_once_walked_and_emptied",
            &["s3s-fs"],
            bucket::a_bucket_is_filled_once_walked_and_emptied,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A checkout with its published release 7.
fn published() -> Checkout {
    let checkout = Checkout::new();
    let (code, _, err) = checkout.publish(&["--version", "7"]);
    assert_eq!(code, 0, "{err}");
    checkout
}
