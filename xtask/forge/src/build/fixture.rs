//! Small plans for tests.

use std::collections::BTreeMap;

use plan::digest::{BuildKey, Digest};
use plan::step::{Action, Input, Mount, Plan, Product, Script, Step, StepId};

/// Joins words.
pub(super) fn text(words: &[String]) -> String {
    words.join(" ")
}

/// A key derived from these words.
fn key(words: &[&str]) -> BuildKey {
    let digest = Digest::of(words.join("\n").as_bytes()).to_string();
    digest.parse().expect("a digest has the form of a key")
}

/// A step with the script `text` and the tools that the scripts of these tests call.
pub(super) fn step(recipe: &str, text: &str) -> Step {
    let places = [
        ("SRC", "/src"),
        ("IN", "/in"),
        ("FILES", "/files"),
        ("BUILD", "/build"),
        ("OUT", "/out"),
        ("TC", "/tc/none"),
        ("HOME", "/build"),
        ("PATH", "/tools:/tc/none/bin"),
        ("LC_ALL", "C"),
        ("SOURCE_DATE_EPOCH", "1000"),
    ];
    let env = places
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let tools = ["cat", "mkdir", "rmdir", "sh", "sleep", "touch"]
        .map(str::to_owned)
        .to_vec();
    Step {
        recipe: recipe.to_owned(),
        version: "1".to_owned(),
        license: "MIT".to_owned(),
        arch: None,
        product: Product::Image,
        action: Action::Script(Script {
            text: text.to_owned(),
            env,
            tools,
            toolchain_path: Some("/tc/none".to_owned()),
        }),
        sources: Vec::new(),
        inputs: Vec::new(),
        files: BTreeMap::new(),
        frozen: Vec::new(),
        key: key(&[recipe, text]),
    }
}

/// Sets the inputs of a step and includes their keys in its own.
pub(super) fn with_inputs(mut step: Step, plan: &Plan, inputs: &[(&str, Mount)]) -> Step {
    for (recipe, mount) in inputs {
        let id = plan.find(recipe, None).expect("inputs come first");
        let (recipe, key) = ((*recipe).to_owned(), plan.step(id).key);
        step.inputs.push(Input {
            step: id,
            recipe,
            key,
            mount: *mount,
        });
    }
    let keys: Vec<_> = step
        .inputs
        .iter()
        .map(|input| input.key.to_string())
        .collect();
    let own = step.key.to_string();
    let words: Vec<_> = keys
        .iter()
        .map(String::as_str)
        .chain([own.as_str()])
        .collect();
    step.key = key(&words);
    step
}

/// A plan of steps, each with the names of its inputs, that write their own name.
pub(super) fn plan_of(steps: &[(&str, &[&str])]) -> Plan {
    let mut plan = Plan { steps: Vec::new() };
    for (recipe, inputs) in steps {
        let inputs: Vec<_> = inputs.iter().map(|input| (*input, Mount::In)).collect();
        let made = step(recipe, &format!("echo {recipe} >\"$OUT/{recipe}\"\n"));
        plan.steps.push(with_inputs(made, &plan, &inputs));
    }
    plan
}

/// The id of a recipe's step.
pub(super) fn id(plan: &Plan, recipe: &str) -> StepId {
    plan.find(recipe, None).expect("the plan has it")
}
