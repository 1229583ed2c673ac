//! Resolves a recipe for one architecture: renders templates, reads files, and fills in everything
//! of a step except its inputs and key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};

use crate::arch::Arch;
use crate::diagnostic::Diagnostic;
use crate::digest::BuildKey;
use crate::recipe::{Entry, EntryContent, Gathered, Make, Recipe, Template};
use crate::relative::is_relative;
use crate::repository::{Problem, Project};
use crate::source::Source;
use crate::step::{Action, Frozen, InitramfsEntry, InitramfsKind, InputFile, Script, Step};
use crate::template::{self, Context, TemplateErrorKind};
use crate::{tree, wildcard};

/// The step of a recipe, without inputs and with a placeholder key. `None` if it has no step for the
/// architecture. A recipe with an unknown variable has: that step is where the error is found.
pub(crate) fn step(
    project: &Project,
    variables: &Variables,
    recipe: &Recipe,
    arch: Option<&Arch>,
) -> Option<Result<Step, Vec<Problem>>> {
    let context = variables.context(recipe, arch);
    let when = recipe.when.as_ref();
    let applies = when.is_none_or(|when| context.text(&when.text) != Some(""));
    applies.then(|| step_of(project, context, recipe, arch))
}

fn step_of(
    project: &Project,
    context: Context,
    recipe: &Recipe,
    arch: Option<&Arch>,
) -> Result<Step, Vec<Problem>> {
    let mut context = RenderContext {
        project,
        recipe,
        arch,
        context,
        problems: Vec::new(),
    };
    if let Some(when) = &recipe.when {
        context.variable(when);
    }
    let action = context.action();
    let files = context.files();
    let frozen = context.frozen();
    match action {
        Some(action) if context.problems.is_empty() => Ok(Step {
            recipe: recipe.name.clone(),
            version: recipe.version.clone(),
            license: recipe.license.clone(),
            arch: arch.map(|arch| arch.name.clone()),
            product: recipe.product,
            action,
            sources: recipe.sources.clone(),
            inputs: Vec::new(),
            files,
            frozen,
            key: BuildKey::from_bytes([0; 32]),
        }),
        _ => Err(context.problems),
    }
}

/// The repository paths of a recipe's frozen outputs. Omits those that cannot be rendered.
pub(crate) fn frozen_paths(
    variables: &Variables,
    recipe: &Recipe,
    arch: Option<&Arch>,
) -> Vec<Utf8PathBuf> {
    if recipe.frozen.is_empty() {
        return Vec::new();
    }
    let context = variables.context(recipe, arch);
    let render = |(_, file): &(String, Template)| template::render("", &file.text, &context).ok();
    recipe
        .frozen
        .iter()
        .filter_map(render)
        .map(Utf8PathBuf::from)
        .collect()
}

/// The variables of templates by architecture, except `version`.
pub(crate) struct Variables(BTreeMap<Option<String>, Arc<Value>>);

impl Variables {
    /// Collects the variables of a repository.
    pub(crate) fn of(project: &Project) -> Self {
        let recipes = project.recipes.iter();
        let recipes: Map<String, Value> = recipes
            .map(|(name, recipe)| (name.clone(), about(recipe)))
            .collect();
        let arches = [None].into_iter().chain(project.arches.values().map(Some));
        let variables = arches.map(|arch| {
            let name = arch.map(|arch| arch.name.clone());
            (name, Arc::new(variables(project, recipes.clone(), arch)))
        });
        Self(variables.collect())
    }

    /// The variables of one recipe.
    fn context(&self, recipe: &Recipe, arch: Option<&Arch>) -> Context {
        let shared = self.0.get(&arch.map(|arch| arch.name.clone()));
        let shared = shared.map_or_else(Arc::default, Arc::clone);
        Context::with_shared(json!({ "version": recipe.version }), shared)
    }
}

fn variables(project: &Project, recipes: Map<String, Value>, arch: Option<&Arch>) -> Value {
    let mut values = Map::new();
    values.insert("epoch".to_owned(), json!(project.epoch));
    values.insert("recipes".to_owned(), Value::Object(recipes));
    if let Some(arch) = arch {
        let linux = &arch.linux;
        values.insert("arch".to_owned(), json!(arch.name));
        values.insert("triple".to_owned(), json!(arch.triple));
        values.insert("settimeofday".to_owned(), json!(arch.settimeofday));
        let compiler = arch.gcc.base.as_ref();
        let compiler = compiler.and_then(|name| project.arches.get(name));
        values.insert(
            "gcc".to_owned(),
            json!({
                "configure": arch.gcc.configure,
                "base": compiler.map(|arch| arch.triple.as_str()).unwrap_or_default(),
                "specs": arch.gcc.specs,
                "emulation": arch.gcc.emulation,
                "libraries": arch.gcc.libraries,
            }),
        );
        values.insert(
            "linux".to_owned(),
            json!({
                "arch": linux.arch,
                "target": linux.target,
                "small": linux.small,
                "image": linux.image,
                "compressed": linux.compressed.as_deref().unwrap_or_default(),
                "make": linux.make,
                "device-tree": linux.device_tree.as_deref().unwrap_or_default(),
                "u-boot": linux.u_boot.map(|it| it.to_string()).unwrap_or_default(),
            }),
        );
        let library = Utf8PathBuf::from(format!("guest-tests/bare/lib/{}/", arch.name));
        let mut files = project.files.range(library.clone()..);
        // A checkout without the sources has no such guests.
        let has_library = files
            .next()
            .is_some_and(|(path, _)| path.starts_with(&library));
        let bare = arch.bare.as_ref().filter(|_| has_library);
        let flags = bare.map(|bare| bare.flags.join(" "));
        let bare = json!({ "flags": flags.unwrap_or_default() });
        values.insert("bare".to_owned(), bare);
    }
    Value::Object(values)
}

/// The variables about one recipe that other recipes' templates may use.
fn about(recipe: &Recipe) -> Value {
    let source = |source: &Source| {
        let pin = &source.pin;
        json!({ "file": pin.file, "size": pin.size, "sha256": pin.sha256 })
    };
    json!({
        "version": recipe.version,
        "license": recipe.license,
        "summary": recipe.summary,
        "sources": recipe.sources.iter().map(source).collect::<Vec<_>>(),
    })
}

/// The context in which one recipe is rendered for one architecture.
struct RenderContext<'a> {
    project: &'a Project,
    recipe: &'a Recipe,
    arch: Option<&'a Arch>,
    context: Context,
    problems: Vec<Problem>,
}

impl RenderContext<'_> {
    fn action(&mut self) -> Option<Action> {
        match &self.recipe.make {
            Make::Script(template) => {
                let text = self.render(template);
                let env = self.env();
                let base = self.project.host_tools.iter().chain(&self.recipe.tools);
                let own = self.arch.and_then(|arch| arch.tools.get(&self.recipe.name));
                let tools: BTreeSet<String> =
                    base.chain(own.into_iter().flatten()).cloned().collect();
                Some(Action::Script(Script {
                    text: text?,
                    env,
                    tools: tools.into_iter().collect(),
                    toolchain_path: self.toolchain_path(),
                }))
            }
            Make::Initramfs(entries) => {
                let entries = entries.iter().map(|entry| self.entry(entry));
                let entries: Vec<Option<InitramfsEntry>> = entries.collect();
                entries
                    .into_iter()
                    .collect::<Option<_>>()
                    .map(Action::Initramfs)
            }
            Make::Gather(files) => {
                let files = files.iter().filter_map(|(name, file)| {
                    self.gathered(file).map(|file| (name.clone(), file))
                });
                Some(Action::Gather(files.collect()))
            }
        }
    }

    fn toolchain_path(&self) -> Option<String> {
        self.arch.map(|arch| format!("/tc/{}", arch.triple))
    }

    /// The paths are those of the sandbox. A host without one has others.
    fn env(&mut self) -> BTreeMap<String, String> {
        let epoch = self.project.epoch.to_string();
        let path = match self.toolchain_path() {
            Some(toolchain) => format!("/tools:{toolchain}/bin"),
            None => "/tools".to_owned(),
        };
        let mut env: BTreeMap<String, String> = [
            ("SRC", "/src"),
            ("IN", "/in"),
            ("FILES", "/files"),
            ("BUILD", "/build"),
            ("OUT", "/out"),
            ("HOME", "/build"),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
            ("SOURCE_DATE_EPOCH", &epoch),
            ("PATH", &path),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        env.extend(self.toolchain_path().map(|path| ("TC".to_owned(), path)));
        for (name, value) in &self.recipe.env {
            env.extend(self.render(value).map(|value| (name.clone(), value)));
        }
        env
    }

    fn entry(&mut self, entry: &Entry) -> Option<InitramfsEntry> {
        let kind = match &entry.content {
            EntryContent::Fixed(kind) => kind.clone(),
            EntryContent::Text(template) => InitramfsKind::Text(self.render(template)?),
        };
        Some(InitramfsEntry {
            path: entry.path.clone(),
            mode: entry.mode,
            kind,
        })
    }

    /// `None` if the architecture has no such file.
    fn gathered(&mut self, gathered: &Gathered) -> Option<InputFile> {
        let Some(when) = &gathered.when else {
            return Some(gathered.file.clone());
        };
        self.variable(when)
            .filter(|value| !value.is_empty())
            .map(|_| gathered.file.clone())
    }

    /// The text that a variable has.
    fn variable(&mut self, when: &Template) -> Option<String> {
        let value = self.context.text(&when.text).map(str::to_owned);
        if value.is_none() {
            let title = format!("unknown variable `{}`", when.text);
            let help = template::variables(&when.text, &self.context.names());
            let files = &self.project.files;
            let wrong = tree::at(
                files,
                &when.origin,
                title,
                "expected a variable with a text value",
            );
            self.problems.push(Problem::Wrong(wrong.with_help(help)));
        }
        value
    }

    /// A template that renders to nothing names no file.
    fn files(&mut self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for template in &self.recipe.files {
            let path = self.render(template).filter(|path| !path.is_empty());
            let Some(path) = path.and_then(|path| self.repository_path(template, path)) else {
                continue;
            };
            let all = &self.project.files;
            let found = wildcard::files(all, &path);
            if found.is_empty() && self.project.frozen.contains(&path) {
                self.problems.push(Problem::NotFrozen(path));
                continue;
            }
            if found.is_empty() {
                let wrong = tree::missing(all, &path, &template.origin);
                self.problems.push(Problem::Wrong(wrong));
            }
            for (name, path) in found {
                if files.insert(name.to_string(), all[path].clone()).is_some() {
                    let title = format!("two files are named `{name}`");
                    let wrong = tree::at(all, &template.origin, title, "second occurrence");
                    let help = format!("both would be `$FILES/{name}`: rename one of them");
                    self.problems.push(Problem::Wrong(wrong.with_help(help)));
                }
            }
        }
        files
    }

    fn frozen(&mut self) -> Vec<Frozen> {
        let mut frozen = Vec::new();
        for (output, template) in &self.recipe.frozen {
            let Some(path) = self.render_path(template) else {
                continue;
            };
            let content = self.project.files.get(&path).cloned();
            frozen.push(Frozen {
                output: output.clone(),
                path,
                content,
            });
        }
        frozen
    }

    fn render_path(&mut self, template: &Template) -> Option<Utf8PathBuf> {
        let path = self.render(template)?;
        self.repository_path(template, path)
    }

    fn repository_path(&mut self, template: &Template, path: String) -> Option<Utf8PathBuf> {
        if is_relative(&path) {
            return Some(path.into());
        }
        let title = format!("`{path}` is not a path in the repository");
        let files = &self.project.files;
        let wrong = tree::at(files, &template.origin, title, "expected a relative path");
        self.problems.push(Problem::Wrong(wrong));
        None
    }

    fn render(&mut self, template: &Template) -> Option<String> {
        let path: &Utf8Path = &template.origin.path;
        let error = match template::render(path.as_str(), &template.text, &self.context) {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        let mut origin = template.origin.clone();
        origin
            .span
            .get_or_insert_with(|| error.span(&template.text));
        let label = match &error.kind {
            TemplateErrorKind::UnknownVariable { .. } if self.arch.is_none() => {
                "not for a recipe that is common"
            }
            TemplateErrorKind::UnknownVariable { .. } => "no such variable",
            TemplateErrorKind::Syntax(_) | TemplateErrorKind::Other(_) => "here",
        };
        let wrong = tree::at(&self.project.files, &origin, error.kind.to_string(), label);
        self.problems.push(Problem::Wrong(Diagnostic {
            help: error.hint(),
            ..wrong
        }));
        None
    }
}
