//! The second build: its store, its surroundings, and the child that makes it.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use forge::build::Options;
use forge::repro;
use forge::repro::surroundings::{Entrance, Surroundings};
use host::process::command::quote_line;
use host::process::{Command, Stdio};
use plan::step::StepId;
use provision::fetch::share_sources;
use serde_json::json;
use store::{Ready, Store, Workspace};

use crate::cli::MessageFormat;
use crate::cli::repro::{RebuildArgs, ReproArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::output;
use crate::render::repro::varied;
use crate::supply::{Supply, build_failure, store_failure};

/// No build of all architectures takes longer, not even with one job.
const LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

/// Starting a process takes milliseconds.
const PROBE: Duration = Duration::from_secs(20);

/// The second build, ready to be made.
pub(super) struct Second {
    pub(super) store: Store,
    surroundings: Surroundings,
    entrance: Entrance,
    poison: Utf8PathBuf,
    jobs: usize,
    /// What is varied, and how, for people.
    varied: Vec<(&'static str, String)>,
    /// The command that makes it again and keeps it.
    again: String,
    /// Removed when dropped, unless the store is kept.
    _area: Option<Workspace>,
}

impl Second {
    /// Fills a store with sources and inputs, and decides what is varied.
    pub(super) fn prepare(
        supply: &Supply<'_>,
        wanted: &[StepId],
        given: &BTreeMap<StepId, Ready>,
        args: &ReproArgs,
        told: &RebuildArgs,
        options: &Options,
    ) -> Result<Self, Failure> {
        let context = supply.context;
        let surroundings = Surroundings::of(told.order);
        let (area, place) = if args.keep {
            let root = supply.store.root();
            (None, root.join("repro").join(told.order.to_string()))
        } else {
            let area = supply.store.workspace().map_err(store_failure)?;
            let place = area.path().to_owned();
            (Some(area), place)
        };
        let directory = surroundings.directory(&place);
        let store = Store::open(&directory).map_err(store_failure)?;
        let steps: Vec<_> = wanted.iter().map(|id| supply.plan.step(*id)).collect();
        share_sources(&supply.store, &store, steps.iter().copied())?;
        for (id, ready) in given {
            let name = options.entry_name(supply.plan.step(*id));
            let name = name.map_err(build_failure)?;
            store.copy(ready, &name).map_err(store_failure)?;
        }
        let poison = directory.join("poison");
        let names = repro::poison(steps.iter().copied());
        for name in &names {
            host::files::write_program(&poison.join(name), repro::POISONED.as_bytes())
                .map_err(|error| Failure::new(Exit::Failed, error))?;
        }
        let entrance = entrance(context, &surroundings);
        let jobs = args.second_jobs.map_or(context.jobs() + 1, usize::from);
        let mut second = Self {
            store,
            surroundings,
            entrance,
            poison,
            jobs,
            varied: Vec::new(),
            again: again(context, args, told.order),
            _area: area,
        };
        second.varied = second.list(supply, options, &names);
        Ok(second)
    }

    fn list(
        &self,
        supply: &Supply<'_>,
        options: &Options,
        poison: &[&str],
    ) -> Vec<(&'static str, String)> {
        let (its, variation) = (&self.surroundings, &options.variation);
        let here = supply.store.root();
        let length = |path: &Utf8Path| path.as_str().len();
        let mut list = vec![(
            "store",
            format!(
                "{} ({} characters; the first has {})",
                self.store.root(),
                length(self.store.root()),
                length(here)
            ),
        )];
        match &self.entrance {
            Entrance::Bubblewrap(_) => list.extend([
                ("user", its.user.to_string()),
                ("host name", its.host_name.clone()),
            ]),
            Entrance::Shell => list.push((
                "user",
                "and host name stay: `bwrap` does not work here, or not in itself".to_owned(),
            )),
        }
        let jobs = supply.context.jobs();
        list.extend([
            (
                "environment",
                format!("HOME={} TZ={} LC_ALL={}", its.home, its.zone, its.locale),
            ),
            ("umask", its.umask.to_owned()),
            ("jobs", format!("{} (the first: {jobs})", self.jobs)),
            ("PATH", format!("does nothing for {}", poison.join(" "))),
            (
                "sources",
                format!("unpacked in the order of seed {}", its.seed),
            ),
            (
                "make",
                variation.shuffle.map_or_else(
                    || "keeps its order: it is told to, or is older than 4.4".to_owned(),
                    |seed| format!("--shuffle={seed}"),
                ),
            ),
            (
                "clock",
                variation.clock.as_ref().map_or_else(
                    || {
                        "is right: libfaketime or the sandbox is not there, or not wanted"
                            .to_owned()
                    },
                    |clock| format!("ahead by {} days", clock.days),
                ),
            ),
        ]);
        if let Some(root) = &variation.root {
            list.push(("tools", format!("those of {root}")));
        }
        if options.sandbox == forge::sandbox::SandboxChoice::Off {
            list.push((
                "sandbox",
                "none: scripts see the real directories".to_owned(),
            ));
        }
        list
    }

    /// Says what is varied.
    pub(super) fn announce(&self, context: &Context) {
        match context.global.message_format {
            MessageFormat::Json => {
                let varied: BTreeMap<_, _> = self.varied.iter().cloned().collect();
                let seed = self.surroundings.seed;
                let line = json!({ "reason": "repro-second", "seed": seed, "varied": varied });
                output::result(line.to_string());
            }
            MessageFormat::Human if context.global.quiet => {}
            MessageFormat::Human => {
                let seed = self.surroundings.seed.to_string();
                output::note(varied(
                    context.style,
                    "second build",
                    &format!("seed {seed}"),
                ));
                for (name, how) in &self.varied {
                    output::note(varied(context.style, name, how));
                }
            }
        }
    }

    /// Makes it.
    pub(super) fn build(&self, context: &Context, told: &RebuildArgs) -> Result<(), Failure> {
        let line = self
            .surroundings
            .command_line(&self.entrance, &words(context, told, self.jobs));
        let environment = self
            .surroundings
            .environment(&self.poison, &context.env.path);
        let status = Command::from_argv(&line)
            .envs(environment)
            .env("KILN_STORE", self.store.root())
            .env("CARGO_MANIFEST_DIR", context.root.join("xtask"))
            .current_dir(self.store.root())
            .stdout(Stdio::Inherit)
            .stderr(Stdio::Inherit)
            .run(LIMIT)
            .map_err(hinted!(Exit::Failed))?;
        if status.success() {
            return Ok(());
        }
        let error = anyhow::anyhow!("the second build failed");
        Err(Failure::new(Exit::Failed, error).hint(self.again.clone()))
    }

    /// How to have it again.
    pub(super) fn again(&self) -> String {
        format!("to look at both: {}", self.again)
    }
}

/// The best entrance that works here.
fn entrance(context: &Context, surroundings: &Surroundings) -> Entrance {
    let Some(program) = host::tools::find_in("bwrap", &context.env.path) else {
        return Entrance::Shell;
    };
    // A host may allow a sandbox and none inside it, where the second build's scripts run.
    let inner = [
        program.as_str(),
        "--dev-bind",
        "/",
        "/",
        "--unshare-all",
        "true",
    ];
    let inner = inner.map(str::to_owned);
    let entrance = Entrance::Bubblewrap(program);
    let line = surroundings.command_line(&entrance, &inner);
    match Command::from_argv(&line).output(PROBE) {
        Ok(output) if output.status.success() => entrance,
        _ => Entrance::Shell,
    }
}

/// The command line of the child.
fn words(context: &Context, told: &RebuildArgs, jobs: usize) -> Vec<String> {
    let mut words = vec![context.env.executable.to_string(), "--offline".to_owned()];
    words.push(format!("--jobs={jobs}"));
    if context.global.quiet {
        words.push("--quiet".to_owned());
    }
    words.extend((0..context.global.verbose).map(|_| "--verbose".to_owned()));
    words.push("rebuild".to_owned());
    words.extend(told.arch.iter().map(|arch| format!("--arch={arch}")));
    words.extend(told.step.iter().map(|step| format!("--step={step}")));
    words.extend(told.root.iter().map(|root| format!("--root={root}")));
    words.extend(told.shuffle.iter().map(|seed| format!("--shuffle={seed}")));
    words.push(format!("--order={}", told.order));
    words.push(format!("--days={}", told.days));
    if told.no_sandbox {
        words.push("--no-sandbox".to_owned());
    }
    words
}

/// The command that makes both builds again, and keeps the second.
fn again(context: &Context, args: &ReproArgs, seed: u64) -> String {
    let mut words = context.env.arguments.clone();
    if args.seed.is_none() {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    if !args.keep {
        words.push("--keep".to_owned());
    }
    format!("cargo xtask {}", quote_line(&words))
}
