//! The steps of the small repository, their order and their keys.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::{PlanError, load};
use super::fixture::{
    Files, INITRAMFS, LINUX_CONFIG, edited, plan, project, repository, shared_compiler, with,
    without,
};
use crate::digest::BuildKey;
use crate::step::{Action, Plan, Step};

fn lines(plan: &Plan) -> String {
    plan.ids().fold(String::new(), |mut lines, id| {
        let step = plan.step(id);
        let inputs: Vec<String> = step
            .inputs
            .iter()
            .map(|input| plan.step(input.step).to_string())
            .collect();
        writeln!(lines, "{step}: {}", inputs.join(", ")).unwrap();
        lines
    })
}

fn keys(plan: &Plan) -> BTreeMap<String, BuildKey> {
    plan.steps
        .iter()
        .map(|step| (step.to_string(), step.key))
        .collect()
}

fn step<'a>(plan: &'a Plan, recipe: &str, arch: &str) -> &'a Step {
    plan.step(plan.find(recipe, Some(arch)).unwrap())
}

#[test]
fn each_step_follows_its_inputs_once() {
    insta::assert_snapshot!(lines(&plan(&repository(), &["beta", "alpha", "beta"])));
}

#[test]
fn script_step_holds_its_whole_environment() {
    let plan = plan(&repository(), &["beta"]);
    insta::assert_json_snapshot!(step(&plan, "linux", "beta"));
}

#[test]
fn initramfs_step_has_sorted_rendered_entries() {
    let plan = plan(&repository(), &["alpha"]);
    insta::assert_json_snapshot!(step(&plan, "initramfs", "alpha").action);
}

#[test]
fn compiler_of_base_is_an_input() {
    let plan = plan(&shared_compiler(), &["beta"]);
    let gcc = step(&plan, "gcc", "beta");
    let inputs = gcc.inputs.iter().map(|input| plan.step(input.step));
    let inputs: Vec<String> = inputs.map(ToString::to_string).collect();
    assert_eq!(inputs, ["gcc (alpha)"]);
    let Action::Script(script) = &gcc.action else {
        panic!("{:?}", gcc.action)
    };
    assert_eq!(script.text, "alpha-linux-musl -m32 elf32beta lib32\n");
    let alpha = step(&plan, "gcc", "alpha");
    assert_eq!(plan.step(alpha.inputs[0].step).to_string(), "gmp");
}

#[test]
fn architecture_adds_host_tools_to_a_recipe() {
    let added = "[tools]\ngcc = [\"gawk\"]\n\n[gcc]";
    let plan = plan(
        &edited("images/beta.toml", "[gcc]", added),
        &["alpha", "beta"],
    );
    let tools = |recipe, arch| match &step(&plan, recipe, arch).action {
        Action::Script(script) => script.tools.join(" "),
        action => panic!("{action:?}"),
    };
    assert!(!tools("gcc", "alpha").contains("gawk"));
    assert!(tools("gcc", "beta").contains("gawk"));
    assert!(!tools("linux", "beta").contains("gawk"));
}

#[test]
fn small_kernel_has_further_fragment_and_missing_drivers() {
    let mut files = edited("images/beta.toml", "target = ", "small = true\ntarget = ");
    let fragments = r#"files = ["{{#if linux.small}}images/common/small.fragment{{/if}}", "#;
    let recipe = LINUX_CONFIG.replace("files = [", fragments);
    let added = [
        ("recipes/linux-config/recipe.toml", recipe.as_str()),
        ("images/common/small.fragment", "CONFIG_USB=n\n"),
        (
            "images/common/small.toml",
            "without-driver = [\"usb-kbd\"]\n",
        ),
    ];
    files.extend(added.map(|(path, text)| (path.into(), text.into())));
    let project = project(&files);
    let plan = project.plan(&["alpha".to_owned(), "beta".to_owned()]);
    let plan = plan.unwrap();
    let names = |arch| {
        let files = step(&plan, "linux-config", arch).files.keys();
        files.cloned().collect::<Vec<_>>()
    };
    assert_eq!(names("alpha"), ["linux.fragment"]);
    assert_eq!(names("beta"), ["linux.fragment", "small.fragment"]);
    assert!(project.arches["alpha"].qemu.without_driver.is_empty());
    let missing = &project.arches["beta"].qemu.without_driver;
    assert!(missing.contains("usb-kbd"), "{missing:?}");
}

#[test]
fn missing_architecture_parts_are_not_packed() {
    let plan = plan(&repository(), &["alpha", "beta"]);
    let names = |arch| match &plan.image(arch).unwrap().action {
        Action::Gather(files) => files.keys().cloned().collect::<Vec<_>>().join(" "),
        action => panic!("{action:?}"),
    };
    assert_eq!(names("alpha"), "initramfs.cpio kernel");
    assert_eq!(names("beta"), "compressed initramfs.cpio kernel");
    assert_eq!(plan.image("gamma"), None);
}

#[test]
fn closure_is_the_step_and_its_inputs() {
    let plan = plan(&repository(), &["alpha", "beta"]);
    let closure = plan.closure(plan.find("linux", Some("beta")).unwrap());
    let names: Vec<String> = closure
        .iter()
        .map(|id| plan.step(*id).to_string())
        .collect();
    assert_eq!(names, ["gmp", "gcc (beta)", "linux (beta)"]);
}

#[test]
fn keys_are_independent_of_other_plans() {
    let all = keys(&plan(&repository(), &["alpha", "beta"]));
    for arch in ["alpha", "beta"] {
        for (step, key) in keys(&plan(&repository(), &[arch])) {
            assert_eq!(all[&step], key, "{step}");
        }
    }
    let few = project(&repository())
        .plan_of(&["beta".to_owned()], &["gcc"])
        .unwrap();
    assert_eq!(keys(&few).len(), 2);
    assert_eq!(keys(&few)["gcc (beta)"], all["gcc (beta)"]);
}

#[test]
fn change_renames_only_dependent_steps() {
    fn check(files: &Files, expect: &[&str]) {
        let arches = ["alpha", "beta"];
        let (old, new) = (
            keys(&plan(&repository(), &arches)),
            keys(&plan(files, &arches)),
        );
        assert_eq!(old.len(), new.len());
        let changed: Vec<&String> = old
            .iter()
            .filter(|(step, key)| new[*step] != **key)
            .map(|(step, _)| step)
            .collect();
        assert_eq!(changed, expect);
    }
    let all = [
        "gcc (alpha)",
        "gcc (beta)",
        "gmp",
        "image (alpha)",
        "image (beta)",
        "initramfs (alpha)",
        "initramfs (beta)",
        "linux (alpha)",
        "linux (beta)",
        "linux-config (alpha)",
        "linux-config (beta)",
    ];
    let alpha = ["image (alpha)", "initramfs (alpha)", "linux (alpha)"];
    let gmp = "recipes/gmp/recipe.toml";
    check(
        &edited(gmp, "summary = \"numbers\"", "summary = \"big numbers\""),
        &[],
    );
    check(
        &edited(gmp, "https://example.org/", "https://example.com/"),
        &[],
    );
    check(&edited(gmp, "LGPL-3.0-or-later", "GPL-2.0-or-later"), &[]);
    check(&edited(gmp, "tools = [\"m4\"]", "tools = [\"m5\"]"), &all);
    check(
        &edited("recipes/gmp/patches/0001-doc.patch", "b/x", "b/y"),
        &all,
    );
    check(&edited("recipes/gmp/build.sh.hbs", "./", "/"), &all);
    check(
        &edited("images/host-tools.toml", "1752537600", "1752537601"),
        &all,
    );
    check(&edited("images/alpha/linux.config", "X=y", "X=n"), &alpha);
    check(
        &edited("images/alpha/linux.fragment", "=y", "=n"),
        &["linux-config (alpha)"],
    );
    check(&edited("images/alpha.toml", "20s", "30s"), &[]);
    check(
        &edited(
            "recipes/image/recipe.toml",
            "path = \"kernel\"",
            "path = \"kern\"",
        ),
        &["image (alpha)", "image (beta)"],
    );
    // The notice lists the sources, and the order in a file has no meaning.
    check(
        &edited("recipes/initramfs/recipe.toml", "\"/init\"", "\"/other\""),
        &[
            "image (alpha)",
            "image (beta)",
            "initramfs (alpha)",
            "initramfs (beta)",
        ],
    );
    let turned = INITRAMFS
        .replace("  { path = \"dev\", directory = true },\n", "")
        .replace(
            "entry = [\n",
            "entry = [\n  { path = \"dev\", directory = true },\n",
        );
    check(&with("recipes/initramfs/recipe.toml", &turned), &[]);
}

#[test]
fn missing_frozen_file_stops_only_its_readers() {
    let project = project(&without("images/beta/linux.config"));
    let (alpha, beta) = (["alpha".to_owned()], ["beta".to_owned()]);
    assert!(project.plan(&alpha).is_ok());
    let error = project.plan(&beta).unwrap_err();
    assert_eq!(
        error.to_string(),
        "missing frozen file `images/beta/linux.config` of recipe `linux`"
    );
    assert_eq!(
        error.hint().unwrap(),
        "cargo xtask images --arch beta --refreeze"
    );

    assert_eq!(project.freezing_recipes(), ["linux-config"]);
    let plan = project.plan_of(&beta, &project.freezing_recipes()).unwrap();
    let frozen = &step(&plan, "linux-config", "beta").frozen[0];
    assert_eq!(
        (frozen.path.as_str(), &frozen.content),
        ("images/beta/linux.config", &None)
    );
}

#[test]
fn unknown_architectures_and_recipes_get_a_suggestion() {
    let project = project(&repository());
    let error = project.plan(&["betta".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "unknown architecture `betta`");
    assert_eq!(
        error.hint().unwrap(),
        "did you mean `beta`? architectures: `alpha`, `beta`"
    );
    let error = project.plan_of(&[], &["zlib"]).unwrap_err();
    assert!(matches!(&error, PlanError::UnknownRecipe { name, .. } if name == "zlib"));
}

#[test]
fn lock_is_read_with_the_project() {
    let lock = "version = 1\n[[image]]\narch = \"alpha\"\nkey = \"KEY\"\n";
    let lock = lock.replace("KEY", &BuildKey::from_bytes([1; 32]).to_string());
    let project = project(&with("images/images.lock", &lock));
    assert_eq!(
        project.lock.images["alpha"].key,
        BuildKey::from_bytes([1; 32])
    );
    assert!(load(&with("images/images.lock", "version = 1\nimages = []\n")).is_err());
}
