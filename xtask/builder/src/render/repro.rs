//! Renders two builds: the variations, then a line per step.

use std::time::Duration;

use camino::Utf8Path;
use forge::build::Options;
use forge::repro::Comparison;
use forge::repro::surroundings::{Entrance, Surroundings};
use plan::step::Plan;
use serde_json::{Value, json};

use xtask::output::{Color, Style};
use xtask::render::quantity;

/// The variations of the second build.
pub(crate) struct Varied<'a> {
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) entrance: &'a Entrance,
    pub(crate) options: &'a Options,
    /// The stores of both builds.
    pub(crate) stores: [&'a Utf8Path; 2],
    /// The job slots of both builds.
    pub(crate) jobs: [usize; 2],
    /// Programs that do nothing in the second build.
    pub(crate) poison: &'a [&'a str],
}

impl Varied<'_> {
    /// Each subject and its variation.
    pub(crate) fn list(&self) -> Vec<(&'static str, String)> {
        let (its, options) = (self.surroundings, self.options);
        let variation = &options.variation;
        let [here, there] = self.stores;
        let [first_jobs, jobs] = self.jobs;
        let length = |path: &Utf8Path| path.as_str().len();
        let mut list = vec![(
            "store",
            format!(
                "{} ({} characters; first build: {})",
                there,
                length(there),
                length(here)
            ),
        )];
        match self.entrance {
            Entrance::Bubblewrap(_) => list.extend([
                ("user", its.user.to_string()),
                ("host name", its.host_name.clone()),
            ]),
            Entrance::Shell => list.push((
                "user",
                "and host name are not varied: `bwrap` does not work on this host, or not nested"
                    .to_owned(),
            )),
        }
        list.extend([
            (
                "environment",
                format!("HOME={} TZ={} LC_ALL={}", its.home, its.zone, its.locale),
            ),
            ("umask", its.umask.to_owned()),
            ("jobs", format!("{jobs} (first build: {first_jobs})")),
            (
                "PATH",
                format!("has stubs that do nothing for {}", self.poison.join(" ")),
            ),
            (
                "sources",
                format!("unpacked in an order from seed {}", its.seed),
            ),
            (
                "make",
                variation.shuffle.map_or_else(
                    || "is not shuffled: `--no-shuffle`, or make is older than 4.4".to_owned(),
                    |seed| format!("--shuffle={seed}"),
                ),
            ),
            (
                "clock",
                variation.clock.as_ref().map_or_else(
                    || {
                        "is not changed: `--days 0`, or libfaketime or the sandbox is not available"
                            .to_owned()
                    },
                    |clock| format!("is {} days ahead", clock.days),
                ),
            ),
        ]);
        if let Some(root) = &variation.root {
            list.push(("tools", format!("are from {root}")));
        }
        if options.sandbox == sandbox::SandboxChoice::Off {
            list.push((
                "sandbox",
                "is off: scripts see the real directories".to_owned(),
            ));
        }
        list
    }
}

/// The list of variations, without the last newline.
pub(crate) fn announced(style: Style, seed: u64, list: &[(&str, String)]) -> String {
    let first = varied(style, "second build", &format!("seed {seed}"));
    let others = list.iter().map(|(name, how)| varied(style, name, how));
    let lines: Vec<String> = std::iter::once(first).chain(others).collect();
    lines.join("\n")
}

/// A line of the list of variations.
fn varied(style: Style, name: &str, how: &str) -> String {
    let word = style.paint(Color::Dim, &format!("{name:>12}"));
    format!("{word} {how}")
}

/// The table, without the last newline.
pub(crate) fn table(style: Style, plan: &Plan, compared: &[Comparison]) -> String {
    let names: Vec<String> = compared
        .iter()
        .map(|one| plan.step(one.step).to_string())
        .collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    let head = format!("{:<width$}  files    first   second", "step");
    let mut lines = vec![style.paint(Color::Bold, &head)];
    for (one, name) in compared.iter().zip(names) {
        let [first, second] = one
            .seconds
            .map(|seconds| quantity::time(Duration::from_secs_f64(seconds.max(0.0))));
        let first = if one.prebuilt {
            "prebuilt".to_owned()
        } else {
            first
        };
        let (outputs, verdict) = (one.outputs, verdict(style, one));
        lines.push(format!(
            "{name:<width$}  {outputs:>5} {first:>8} {second:>8}  {verdict}"
        ));
        lines.extend(
            one.generated
                .iter()
                .map(|file| format!("{:width$}  {file}", "")),
        );
    }
    lines.join("\n")
}

fn verdict(style: Style, one: &Comparison) -> String {
    match &one.difference {
        None => style.paint(Color::Green, "equal"),
        Some(difference) if one.may_differ => {
            let word = style.paint(Color::Yellow, "expected");
            format!("{word} (host tools differ), first at `{}`", difference.path)
        }
        Some(difference) => format!("{}: {difference}", style.paint(Color::Red, "differs")),
    }
}

/// One step for programs.
pub(crate) fn json(plan: &Plan, one: &Comparison) -> Value {
    let step = plan.step(one.step);
    json!({
        "reason": "repro-step",
        "recipe": step.recipe,
        "arch": step.arch,
        "key": step.key,
        "outputs": one.outputs,
        "first_seconds": one.seconds[0],
        "second_seconds": one.seconds[1],
        "first_is_prebuilt": one.prebuilt,
        "equal": one.difference.is_none(),
        "may_differ": one.may_differ,
        "difference": one.difference.as_ref().map(ToString::to_string),
        "generated": one.generated.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use forge::generated::{Differing, MadeBy};
    use inspect::compare::{Difference, Position};
    use plan::digest::BuildKey;
    use plan::step::{Action, Product, Step, StepId};

    use super::*;

    const PLAIN: Style = Style {
        color: false,
        interactive: false,
    };

    fn step(recipe: &str, arch: Option<&str>) -> Step {
        Step {
            recipe: recipe.to_owned(),
            version: "1".to_owned(),
            license: "MIT".to_owned(),
            arch: arch.map(str::to_owned),
            product: Product::Image,
            action: Action::Gather([].into()),
            sources: Vec::new(),
            inputs: Vec::new(),
            files: [].into(),
            frozen: Vec::new(),
            key: BuildKey::from_bytes([7; 32]),
        }
    }

    #[test]
    fn table_has_one_line_per_step() {
        let plan = Plan {
            steps: vec![
                step("gmp", None),
                step("gcc", Some("arch")),
                step("linux", Some("arch")),
            ],
        };
        let difference = || Difference {
            path: "bin/tool".into(),
            place: Position::Line {
                number: 3,
                first: "a".to_owned(),
                second: "b".to_owned(),
            },
        };
        let comparison = |number, differs: bool, may_differ| Comparison {
            step: StepId(number),
            outputs: 12,
            seconds: [0.0, 401.0],
            prebuilt: number == 2,
            difference: differs.then(difference),
            generated: Vec::new(),
            may_differ,
        };
        let mut compared = [
            comparison(0, false, true),
            comparison(1, true, true),
            comparison(2, true, false),
        ];
        compared[2].generated = vec![Differing {
            path: "include/generated/timeconst.h".to_owned(),
            by: "bc".to_owned(),
            made_by: MadeBy::Both,
        }];
        insta::assert_snapshot!(table(PLAIN, &plan, &compared));
    }
}
