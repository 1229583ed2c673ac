//! The common state of all subcommands: environment, repository, flags. Also converts errors to
//! failures.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use host::env::Env;
use host::scratch::Scratch;
use plan::Project;
use plan::arch::Arch;
use plan::diagnostic::Diagnostic;
use plan::suggest;
use settings::{Layer, Resolved, Setting, Settings};
use store::Store;
use verdict::runs::run_dir;

use crate::checkout;
use crate::cli::Global;
use crate::exit::{Exit, Failure, hinted};
use crate::kiln_toml::{self, SettingsError};
use crate::output::{self, Color, Style};
use crate::render;

/// The value of `--arch` that selects every architecture.
pub const ALL: &str = "all";

/// Where a subcommand runs, and its options.
#[derive(Debug, Clone)]
pub struct Context {
    /// The environment, read once.
    pub env: Env,
    /// The repository.
    pub root: Utf8PathBuf,
    /// The global options.
    pub global: Global,
    /// How to write to this terminal.
    pub style: Style,
    /// `kiln.toml` of the checkout and of the user.
    pub settings: Settings,
}

impl Context {
    /// Gathers the state. `here` is true if the command works without a checkout.
    pub fn gather(mut global: Global, here: bool) -> Result<Self, Failure> {
        let env = Env::gather().map_err(hinted!(Exit::Usage))?;
        global.offline |= env.cargo_net_offline;
        let style = Style::gather(&global, &env);
        let root = if here {
            env.current_dir.clone()
        } else {
            checkout::find(&env).map_err(|error| {
                let hint = error.hint();
                Failure::new(Exit::Usage, error).hint(hint)
            })?
        };
        let mut context = Self {
            env,
            root,
            global,
            style,
            settings: Settings::default(),
        };
        if !here {
            let profile = context.global.profile.as_deref();
            let settings = kiln_toml::read(&context.env, &context.root, profile);
            context.settings = settings.map_err(|error| match error {
                SettingsError::Wrong(found) => context.draw(&found, "in settings"),
                error => {
                    let hint = error.hint();
                    Failure::new(Exit::Usage, error).hint(hint)
                }
            })?;
        }
        Ok(context)
    }

    /// The same with a default profile.
    pub fn or_profile(&self, name: &str) -> Result<Self, Failure> {
        let mut context = self.clone();
        if self.settings.profile().is_none() {
            let settings = self.settings.with_profile(name);
            context.settings = settings.map_err(hinted!(Exit::Usage))?;
        }
        Ok(context)
    }

    /// The effective settings of a command with these flags.
    #[must_use]
    pub fn resolve(&self, flags: Layer) -> Resolved {
        let global = Layer {
            jobs: Setting::of_flag("--jobs", self.global.jobs),
            ..Layer::default()
        };
        let environment = Layer {
            qemu: Setting::of_variable("KILN_QEMU", self.env.kiln_qemu.clone()),
            ..Layer::default()
        };
        self.settings.resolve(flags.or(global), environment)
    }

    /// The QEMU of a command, given its `--qemu`.
    #[must_use]
    pub fn qemu(&self, asked: Option<&Utf8PathBuf>) -> Option<Utf8PathBuf> {
        let configured = || self.resolve(Layer::default()).values.qemu;
        asked.cloned().or_else(|| Some(configured()?.value))
    }

    /// The machines of an architecture that guests run on.
    #[must_use]
    pub fn with_machines(&self, arch: &Arch) -> Arch {
        let machines = self.resolve(Layer::default()).values.machines;
        arch.with_machines(machines.map(|it| it.value).unwrap_or_default())
    }

    /// The variables that change what a guest of the same QEMU does.
    #[must_use]
    pub fn guest_environment(&self) -> String {
        format!("{:?}", (&self.env.loader, &self.env.kiln_mutant))
    }

    /// A scratch directory below `TMPDIR`.
    pub fn scratch(&self, word: &str) -> Result<Scratch, Failure> {
        run_dir::scratch(&run_dir::temp_dir(&self.env), word).map_err(hinted!(Exit::SetupMissing))
    }

    /// Reads and checks all recipes, architectures and the lock.
    pub fn project(&self) -> Result<Project, Failure> {
        let files = self.recipe_files().map_err(|error| {
            Failure::new(Exit::Failed, error).hint(Some("run it in a checkout of Kiln".to_owned()))
        })?;
        let project =
            plan::load(&files).map_err(|found| self.draw(&found, "in recipes or images"))?;
        let arches: Vec<&str> = project.arches.keys().map(String::as_str).collect();
        let unknown = self.settings.unknown_arches(&arches);
        if unknown.is_empty() {
            Ok(project)
        } else {
            Err(self.draw(&unknown, "in settings"))
        }
    }

    /// Shows errors in files, and returns the failure that summarises them.
    #[must_use]
    pub fn draw(&self, diagnostics: &[Diagnostic], place: &str) -> Failure {
        for diagnostic in diagnostics {
            output::note(render::diagnostic::draw(diagnostic, self.style.color));
            output::note("");
        }
        let what = match diagnostics.len() {
            1 => "1 error".to_owned(),
            n => format!("{n} errors"),
        };
        Failure::new(Exit::Usage, anyhow::anyhow!("{what} {place}"))
    }

    /// Every file that takes part in a plan, by its path in the repository.
    fn recipe_files(&self) -> Result<BTreeMap<Utf8PathBuf, Vec<u8>>, host::files::FilesError> {
        let bare = Some(suite::bare::FOLDER).filter(|folder| self.root.join(folder).is_dir());
        let folders: Vec<&str> = ["recipes", "images"].into_iter().chain(bare).collect();
        host::files::read_tree(&self.root, &folders, &["images/prebuilt"])
    }

    /// The requested architectures, else those of the settings, else the default ones. `all` means
    /// every architecture. An unknown one is refused with a suggestion.
    pub fn arches(&self, project: &Project, asked: &[String]) -> Result<Vec<String>, Failure> {
        let configured = self.resolve(Layer::default()).values.arch;
        let asked = match configured {
            Some(configured) if asked.is_empty() => configured.value,
            _ => asked.to_vec(),
        };
        let known: Vec<&str> = project.arches.keys().map(String::as_str).collect();
        if asked.is_empty() {
            let default = project.arches.values().filter(|arch| arch.default);
            return Ok(default.map(|arch| arch.name.clone()).collect());
        }
        if asked.iter().any(|arch| arch == ALL) {
            return Ok(project.arches.keys().cloned().collect());
        }
        let mut arches: Vec<String> = Vec::new();
        for arch in &asked {
            if !known.contains(&arch.as_str()) {
                let error = anyhow::anyhow!("unknown architecture `{arch}`");
                let meant = suggest::closest(arch, known.iter().copied())
                    .map_or_else(String::new, |name| format!("did you mean `{name}`? "));
                let help = format!("{meant}there are {}", known.join(", "));
                return Err(Failure::new(Exit::Usage, error).hint(Some(help)));
            }
            if !arches.contains(arch) {
                arches.push(arch.clone());
            }
        }
        Ok(arches)
    }

    /// Prints progress, unless only results and errors are requested.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.global.quiet {
            output::note(text);
        }
    }

    /// Opens the store.
    pub fn store(&self) -> Result<Store, Failure> {
        let dir = self.env.store_dir().ok_or_else(|| {
            Failure::new(
                Exit::SetupMissing,
                anyhow::anyhow!(
                    "failed to choose a directory for the store: neither HOME nor KILN_STORE is set"
                ),
            )
            .hint(Some("export KILN_STORE=DIR".to_owned()))
        })?;
        let store = Store::open(&dir).map_err(|error| {
            let hint = error.hint();
            let hint = hint.or(Some(
                "use a directory that you can write to: export KILN_STORE=DIR".to_owned(),
            ));
            Failure::new(Exit::SetupMissing, error).hint(hint)
        })?;
        let warning = self.style.paint(Color::Yellow, "warning");
        store.on_quarantine(move |gone| output::note(format!("{warning}: {gone}")));
        Ok(store)
    }

    /// Job slots: `-j`, else the settings, else the number of processors.
    pub fn jobs(&self) -> usize {
        let jobs = self.resolve(Layer::default()).values.jobs;
        jobs.map_or_else(host::clock::cpu_count, |jobs| usize::from(jobs.value))
    }
}
