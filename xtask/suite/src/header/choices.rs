//! The values that a header offers to `choose`: words, devices that QEMU has, its CPU models, its
//! machines.

use std::collections::BTreeMap;

use toml::{Spanned, Value};

use super::names::Names;
use super::spans::Fault;
use crate::known::Kind;

/// The choices of a header, by name.
pub type Choices = BTreeMap<String, Offered>;

/// The key of the values for architectures that are not listed.
const OTHERS: &str = "default";

/// The offer of one choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// The same on every architecture.
    Everywhere(Source),
    /// By architecture. [`OTHERS`] stands for those that are not listed; without it, they have no values.
    ByArch(BTreeMap<String, Source>),
}

/// The source of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A list of words.
    Words(Vec<String>),
    /// Those of these devices that QEMU has.
    Devices(Vec<String>),
    /// Those of these CPU models that QEMU has and the accelerator supports.
    CpuModels(Vec<String>),
    /// All of QEMU's CPU models that the accelerator supports.
    Cpus(Narrow),
    /// All of QEMU's machine types that are not deprecated.
    Machines(Narrow),
}

/// Restricts QEMU's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrow {
    /// The required prefix.
    pub prefix: String,
    /// Excluded names.
    pub except: Vec<String>,
}

impl Source {
    /// The first name that no QEMU has, as an error at the choice.
    fn unknown_name(&self, choice: &Spanned<String>, known: &Names) -> Option<Fault> {
        let (kind, names) = match self {
            Self::Words(_) => return None,
            Self::Devices(names) => (Kind::Device, names),
            Self::CpuModels(names) => (Kind::Cpu, names),
            Self::Cpus(narrow) => {
                return known.prefix_fault(Kind::Cpu, &narrow.prefix, choice.span());
            }
            Self::Machines(narrow) => {
                return known.prefix_fault(Kind::Machine, &narrow.prefix, choice.span());
            }
        };
        let mut faults = names.iter();
        faults.find_map(|name| known.fault(kind, name, choice.span()))
    }
}

impl Offered {
    /// The source for an architecture.
    #[must_use]
    pub fn source(&self, arch: &str) -> Option<&Source> {
        match self {
            Self::Everywhere(source) => Some(source),
            Self::ByArch(sources) => sources.get(arch).or_else(|| sources.get(OTHERS)),
        }
    }

    /// The architectures that it lists.
    pub fn arches(&self) -> impl Iterator<Item = &String> {
        let sources = match self {
            Self::Everywhere(_) => None,
            Self::ByArch(sources) => Some(sources),
        };
        let names = sources.into_iter().flat_map(BTreeMap::keys);
        names.filter(|name| *name != OTHERS)
    }

    /// All sources for any architecture.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let (one, many) = match self {
            Self::Everywhere(source) => (Some(source), None),
            Self::ByArch(sources) => (None, Some(sources.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// The keys of a table that is a source instead of a list by architecture.
const KEYS: [&str; 5] = ["devices", "cpus", "from", "prefix", "except"];

/// Parses `choices.NAME = …`. Errors are added to `faults`.
pub(super) fn read(
    raw: BTreeMap<Spanned<String>, Spanned<Value>>,
    names: &Names,
    faults: &mut Vec<Fault>,
) -> Choices {
    let mut choices = Choices::new();
    for (name, value) in raw {
        match offered(value.as_ref()) {
            Ok(offered) => {
                for source in offered.sources() {
                    faults.extend(source.unknown_name(&name, names));
                }
                choices.insert(name.into_inner(), offered);
            }
            Err((label, help)) => faults.push(Fault {
                span: name.span(),
                title: format!("`choices.{}` has no values", name.as_ref()),
                label,
                help: Some(help.unwrap_or_else(|| SHAPES.to_owned())),
            }),
        }
    }
    choices
}

/// The help for a malformed choice.
const SHAPES: &str = "write `[\"a\", \"b\"]`, `{ devices = [\"e1000\"] }`, `{ cpus = [\"max\"] }`, \
                      `{ from = \"cpus\" }` or `{ from = \"machines\" }`, or one of these by architecture";

/// A label, and a better help if there is one.
type ChoiceError = (String, Option<String>);

fn offered(value: &Value) -> Result<Offered, ChoiceError> {
    match value {
        Value::Table(table) if !table.keys().any(|key| KEYS.contains(&key.as_str())) => {
            let sources = table
                .iter()
                .map(|(arch, value)| Ok((arch.clone(), source(value)?)));
            let sources: BTreeMap<_, _> = sources.collect::<Result<_, ChoiceError>>()?;
            if sources.is_empty() {
                return Err(("an empty table".to_owned(), None));
            }
            Ok(Offered::ByArch(sources))
        }
        value => source(value).map(Offered::Everywhere),
    }
}

fn source(value: &Value) -> Result<Source, ChoiceError> {
    let table = match value {
        Value::Array(_) => return words(value).map(Source::Words),
        Value::Table(table) => table,
        _ => return Err(("expected a list or a table".to_owned(), None)),
    };
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let help = plan::suggest::closest(key, KEYS).map(|near| format!("did you mean `{near}`?"));
        return Err((format!("unknown key `{key}`"), help));
    }
    let narrow = || -> Result<Narrow, ChoiceError> {
        let prefix = match table.get("prefix") {
            None => String::new(),
            Some(Value::String(prefix)) => prefix.clone(),
            Some(_) => return Err(("expected a string for `prefix`".to_owned(), None)),
        };
        let except = table.get("except").map_or(Ok(Vec::new()), words)?;
        Ok(Narrow { prefix, except })
    };
    for (key, of) in [
        ("devices", Source::Devices as fn(Vec<String>) -> Source),
        ("cpus", Source::CpuModels),
    ] {
        match table.get(key) {
            Some(names) if table.len() == 1 => return words(names).map(of),
            Some(_) => return Err((format!("`{key}` excludes all other keys"), None)),
            None => {}
        }
    }
    match table.get("from") {
        Some(Value::String(from)) => match from.as_str() {
            "cpus" => narrow().map(Source::Cpus),
            "machines" => narrow().map(Source::Machines),
            other => {
                let near = plan::suggest::closest(other, ["cpus", "machines"]);
                let help = near.map(|near| format!("did you mean `{near}`?"));
                Err((format!("unknown source `{other}`"), help))
            }
        },
        _ => Err(("expected `devices`, `cpus` or `from`".to_owned(), None)),
    }
}

fn words(value: &Value) -> Result<Vec<String>, ChoiceError> {
    let Value::Array(items) = value else {
        return Err(("expected a list of strings".to_owned(), None));
    };
    let words: Option<Vec<String>> = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect();
    let words = words.ok_or_else(|| ("expected strings only".to_owned(), None))?;
    if words.is_empty() {
        return Err(("an empty list".to_owned(), None));
    }
    Ok(words)
}
