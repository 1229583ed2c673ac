//! Outputs that are compared with committed files.

use plan::step::Frozen;

use super::*;

fn frozen_plan(content: Option<&[u8]>) -> Plan {
    let mut plan = plan_of(&[("gcc", &[])]);
    let text = "echo A=y >\"$OUT/config\"\necho B=y >>\"$OUT/config\"\n";
    let mut config = step("linux-config", text);
    config.arch = Some("s390x".to_owned());
    config.frozen.push(Frozen {
        output: "config".to_owned(),
        path: "images/s390x/linux.config".into(),
        content: content.map(<[u8]>::to_vec),
    });
    plan.steps.push(config);
    let text = "cat \"$IN/linux-config/config\" >\"$OUT/x\"\n";
    let mut linux = step("linux", text);
    linux.inputs.push(plan::step::Input {
        step: StepId(1),
        recipe: "linux-config".to_owned(),
        key: plan.steps[1].key,
        mount: Mount::In,
    });
    plan.steps.push(linux);
    plan
}

#[test]
fn frozen_difference_stops_build_with_diff() {
    let world = World::new();
    let plan = frozen_plan(Some(b"A=y\nB=n\n"));
    // Both for a new build and for an existing entry.
    for started in [vec!["linux-config"], vec![]] {
        let done = world.perform(&plan, &["linux"]);
        assert_eq!(
            done.error().to_string(),
            "`linux-config (s390x)`: output `config` differs from `images/s390x/linux.config`:\n\
             --- images/s390x/linux.config\n+++ config\n@@ -1,2 +1,2 @@\n A=y\n-B=n\n+B=y"
        );
        let hint = "cargo xtask images --refreeze --arch s390x";
        assert_eq!(done.error().hint().as_deref(), Some(hint));
        assert_eq!(done.started(), started);
    }
    let accepted = frozen_plan(Some(b"A=y\nB=y\n"));
    assert_eq!(
        world.perform(&accepted, &["linux"]).read("linux", "x"),
        "A=y\nB=y\n"
    );
}

#[test]
fn refreeze_builds_owners_and_returns_changes() {
    let check = |content: Option<&[u8]>, expect: &[(&str, &[u8])]| {
        let world = World::new();
        let plan = frozen_plan(content);
        let (events, received) = mpsc::channel();
        let wanted = [id(&plan, "linux")];
        let changed = refreeze(&world.store(), &plan, &wanted, &world.options, &events).unwrap();
        let changed: Vec<_> = changed
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
            .collect();
        assert_eq!(changed, expect);
        let done = Done {
            ready: BTreeMap::new(),
            result: Ok(()),
            events: collect(&received),
        };
        assert_eq!(done.started(), ["linux-config"]);
    };
    let fresh: (&str, &[u8]) = ("images/s390x/linux.config", b"A=y\nB=y\n");
    check(None, &[fresh]);
    check(Some(b"A=y\nB=n\n"), &[fresh]);
    check(Some(b"A=y\nB=y\n"), &[]);
}
