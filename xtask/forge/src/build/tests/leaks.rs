//! A recipe whose output identifies the machine is stopped with the string and its location.

use inspect::scan::{Machine, Tokens};

use super::*;

/// Builds run without the sandbox, which would hide the real paths.
fn world(host: &str, user: &str) -> World {
    let mut world = World::new();
    world.options.sandbox = SandboxChoice::Off;
    world.options.machine = Tokens::of(&Machine {
        host: host.to_owned(),
        user: user.to_owned(),
        home: format!("/home/{user}"),
        store: world.root.join("store").into_string(),
        checkout: "/srv/checkout/kiln".to_owned(),
        temporary: "/tmp".to_owned(),
    });
    world
}

fn single_step(text: &str) -> Plan {
    Plan {
        steps: vec![step("one", text)],
    }
}

/// Checks why a script's output is refused. A script never contains a complete name, because it
/// would then be part of the recipe.
fn check(host: &str, user: &str, script: &str, expect: &str) {
    let world = world(host, user);
    let done = world.perform(&single_step(script), &["one"]);
    let message = done.error().to_string();
    let message = message.replace(world.root.as_str(), "ROOT");
    assert!(message.contains(expect), "{message}");
    let hint = done.error().hint().unwrap();
    assert!(hint.contains("`recipes/one/build.sh.hbs`"), "{hint}");
    // A leaking output is not committed, so the next run does not reuse it.
    let again = world.perform(&single_step(script), &["one"]);
    assert!(again.result.is_err());
}

#[test]
fn machine_identifier_in_output_stops_build() {
    let check = |script, expect| check("anvil7", "wieland", script, expect);
    check(
        "echo \"built on an\"vil7 >\"$OUT/x\"\n",
        "`one`: the host name `anvil7` is in `x`, line 1: \"built on anvil7\"",
    );
    check(
        "echo by; echo \"by wie\"land >\"$OUT/x\"\n",
        "the user name `wieland` is in `x`, line 1",
    );
    check(
        "printf '\\0/home/%s/x' wie\"\"land >\"$OUT/x\"\n",
        "the home directory `/home/wieland` is in `x`, byte 0x1: \"/home/wieland/x\"",
    );
    check(
        "echo \"$OUT\" >\"$OUT/x\"\n",
        "the store `ROOT/store` is in `x`, line 1: \"ROOT/store/v1/tmp/",
    );
    check(
        "echo \"$BUILD/main.c\" >\"$OUT/x\"\n",
        "the store `ROOT/store` is in `x`, line 1",
    );
    check(
        "echo x >\"$OUT/x\"; echo /srv/check\"\"out/kiln >\"$OUT/y\"\n",
        "the checkout `/srv/checkout/kiln` is in `y`, line 1",
    );
}

#[test]
fn common_names_count_only_in_combination() {
    check(
        "debian",
        "root",
        "echo \"(ro\"ot@deb\"ian)\" >\"$OUT/x\"\n",
        "the user and host `root@debian` is in `x`, line 1: \"(root@debian)\"",
    );
    let world = world("debian", "root");
    assert!(
        world
            .perform(&single_step("echo root >\"$OUT/x\"\n"), &["one"])
            .result
            .is_ok()
    );
}

#[test]
fn name_present_in_sources_is_harmless() {
    let world = world("debian", "wieland");
    let mut plan = single_step("cat \"$FILES/words\" >\"$OUT/x\"\n");
    plan.steps[0]
        .files
        .insert("words".to_owned(), b"a debian system\n".to_vec());
    let script = "cat \"$IN/one/x\" >\"$OUT/x\"\n";
    plan.steps.push(with_inputs(
        step("two", script),
        &plan,
        &[("one", Mount::In)],
    ));
    let done = world.perform(&plan, &["two"]);
    assert_eq!(done.read("two", "x"), "a debian system\n");
    let notes = done.events.iter().filter(|event| {
        matches!(event, Event::Note { text } if text.contains("the host name `debian` is a word"))
    });
    assert_eq!(notes.count(), 2);
}

#[test]
fn build_path_is_refused_even_if_inherited() {
    let world = world("anvil7", "wieland");
    let mut plan = single_step("cat \"$FILES/words\" >\"$OUT/x\"\n");
    plan.steps[0]
        .files
        .insert("words".to_owned(), b"/srv/checkout/kiln\n".to_vec());
    let message = world.perform(&plan, &["one"]).error().to_string();
    assert!(
        message.contains("the checkout `/srv/checkout/kiln` is in `x`"),
        "{message}"
    );
}
