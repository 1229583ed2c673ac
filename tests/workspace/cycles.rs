//! Checks that no crate has an import cycle between its modules.
//!
//! An import is a `use` line, or a path in the code, that begins with `crate::` or `super::`.
//! Modules of a folder are compared including everything below them, so `a::x` -> `b` and `b` ->
//! `a::y` are a cycle of `a` and `b`. A module may import from its submodules and vice versa.
//! Re-exports are resolved to the module that defines the item. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The path of a module in its crate, empty for the root.
type Module = Vec<String>;

#[test]
fn no_crate_has_an_import_cycle() {
    let mut found = Vec::new();
    for (name, source) in super::crates() {
        let cycles = cycles(&read(&source));
        found.extend(cycles.iter().map(|cycle| format!("{name}: {cycle}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The modules of a crate with their code, without tests.
fn read(source: &Path) -> BTreeMap<Module, String> {
    let files = super::files(source.to_str().unwrap(), "rs");
    let modules = files.filter_map(|file| {
        let relative = file.strip_prefix(source).unwrap().with_extension("");
        let mut path: Module = relative
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        let is_test = |part: &String| {
            matches!(part.as_str(), "tests" | "fixture") || part.ends_with("_tests")
        };
        if path.iter().any(is_test) {
            return None;
        }
        let last = path.last().map(String::as_str);
        if matches!(last, Some("mod")) || path.len() == 1 && matches!(last, Some("lib" | "main")) {
            path.pop();
        }
        Some((path, std::fs::read_to_string(&file).unwrap()))
    });
    modules.collect()
}

/// An import: a path, and the name under which a `pub use` re-exports it.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    path: Vec<String>,
    exported: Option<String>,
}

/// The modules of a crate with what they import.
struct Crate(BTreeMap<Module, Vec<Import>>);

/// For each module the sibling modules that it imports, each with the first import.
type Edges = BTreeMap<Module, BTreeMap<Module, String>>;

impl Crate {
    fn new(modules: &BTreeMap<Module, String>) -> Self {
        let imports = modules.iter();
        Self(
            imports
                .map(|(m, code)| (m.clone(), imported(code)))
                .collect(),
        )
    }

    /// The module that a path refers to from `module`. `None` for paths into other crates.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Module> {
        let mut at = module.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                at.push(first.to_owned());
                if !self.0.contains_key(&at) {
                    return None;
                }
                rest = &path[1..];
            }
        }
        while let [next, after @ ..] = rest {
            at.push(next.clone());
            if !self.0.contains_key(&at) {
                at.pop();
                break;
            }
            rest = after;
        }
        let exported = |import: &&Import| import.exported.as_ref() == rest.first();
        let export = self.0[&at].iter().find(exported);
        let further = export.filter(|import| import.exported.is_some() && depth < 8);
        further
            .and_then(|import| self.resolve(&at, &import.path, depth + 1))
            .or(Some(at))
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (module, imports) in &self.0 {
            for import in imports {
                let Some(target) = self.resolve(module, &import.path, 0) else {
                    continue;
                };
                let both = module.iter().zip(&target);
                let common = both.take_while(|(a, b)| a == b).count();
                if common < module.len().min(target.len()) {
                    let from = edges.entry(module[..=common].to_vec()).or_default();
                    let line = format!("{} imports {}", module.join("::"), import.path.join("::"));
                    from.entry(target[..=common].to_vec()).or_insert(line);
                }
            }
        }
        edges
    }
}

/// One line per module that is part of a cycle not listed before: the imports in order.
fn cycles(modules: &BTreeMap<Module, String>) -> Vec<String> {
    let edges = Crate::new(modules).edges();
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    for start in edges.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(cycle) = shortest_cycle(&edges, start) {
            seen.extend(cycle.iter().cloned());
            let next = cycle.iter().cycle().skip(1);
            let steps = cycle.iter().zip(next).map(|(a, b)| edges[a][b].as_str());
            lines.push(steps.collect::<Vec<_>>().join(", "));
        }
    }
    lines
}

/// The modules on the shortest path from `start` back to it.
fn shortest_cycle(edges: &Edges, start: &Module) -> Option<Vec<Module>> {
    let mut ways = vec![vec![start.clone()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in edges.get(way.last()?).into_iter().flatten().map(|(m, _)| m) {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push([way.clone(), vec![next.clone()]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// The imports of a file, ignoring comments and tests.
fn imported(file: &str) -> Vec<Import> {
    let code = file.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    let mut imports = Vec::new();
    let mut rest = String::new();
    let mut statement: Option<String> = None;
    for line in lines {
        let begins = |visible: &str| {
            let line = line.trim_start().strip_prefix(visible)?;
            line.strip_prefix("use ").map(str::to_owned)
        };
        let visible = ["", "pub ", "pub(crate) ", "pub(super) "];
        let begun = visible.into_iter().find_map(|v| Some((v, begins(v)?)));
        match (&mut statement, begun) {
            (Some(open), _) => open.push_str(line),
            (None, Some((visible, text))) => statement = Some(format!("{visible}\n{text}")),
            (None, None) => rest.extend([line, "\n"]),
        }
        if let Some(whole) = statement.take_if(|open| open.contains(';')) {
            let (visible, tree) = whole
                .trim_end()
                .trim_end_matches(';')
                .split_once('\n')
                .unwrap();
            expand(&[], tree, &mut |path| {
                let exported = (!visible.is_empty())
                    .then(|| path.last().cloned())
                    .flatten();
                imports.push(Import { path, exported });
            });
        }
    }
    for (at, _) in rest
        .match_indices("crate::")
        .chain(rest.match_indices("super::"))
    {
        let before = rest[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let path = rest[at..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        let path = path.take(1).flat_map(|path| path.split("::"));
        let path = path.filter(|part| !part.is_empty()).map(str::to_owned);
        imports.push(Import {
            path: path.collect(),
            exported: None,
        });
    }
    imports
}

/// The paths of a `use` tree such as `crate::{a::b, c as d}`.
fn expand(before: &[String], tree: &str, take: &mut impl FnMut(Vec<String>)) {
    let (path, group) = match tree.split_once('{') {
        Some((path, group)) => (path, group.trim_end().strip_suffix('}')),
        None => (tree.split(" as ").next().unwrap(), None),
    };
    let parts = path
        .split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let path = [before, &parts.map(str::to_owned).collect::<Vec<_>>()].concat();
    let Some(group) = group else {
        return take(path);
    };
    let mut depth = 0;
    let is_border = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0 && c == ','
    };
    for tree in group
        .split(is_border)
        .filter(|tree| !tree.trim().is_empty())
    {
        expand(&path, tree, take);
    }
}

#[test]
fn cycles_are_found_through_folders_and_re_exports() {
    let check = |files: &[(&str, &str)], expect: &[&str]| {
        let module = |path: &str| path.split_terminator("::").map(str::to_owned).collect();
        let files = files.iter();
        let modules = files.map(|(path, code)| (module(path), (*code).to_owned()));
        assert_eq!(cycles(&modules.collect()), expect);
    };
    let lib = "pub mod a;\nmod b;\npub use b::Item;\n";
    let one_way = [
        ("", lib),
        ("a", "use crate::{Item, b::{self, Other}};\n"),
        ("b", ""),
    ];
    check(&one_way, &[]);
    let back = "fn f() { crate::a::f() }\n";
    let cycle = ["a imports crate::Item, b imports crate::a::f"];
    check(
        &[("", lib), ("a", "use crate::Item;\n"), ("b", back)],
        &cycle,
    );
    let deep = ["a::x imports crate::b, b imports super::a::y::Y"];
    let below = [
        ("", ""),
        ("a", ""),
        ("a::x", "use crate::b;\n"),
        ("a::y", ""),
    ];
    check(
        &[&below[..], &[("b", "use super::a::y::Y;\n")]].concat(),
        &deep,
    );
    // Comments, tests and parents do not count.
    let quiet = "// crate::a\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n";
    check(&[("", lib), ("a", "use crate::b;\n"), ("b", quiet)], &[]);
    let parent = [("", ""), ("a", "use x::X;\n"), ("a::x", "use super::A;\n")];
    check(&parent, &[]);
}
