//! `images --matrix`: all targets in one Markdown table.

use plan::Project;
use plan::arch::{Arch, Endian};
use verdict::event::{RunReport, TestReport};
use verdict::outcome::Outcome;
use xtask::render::quantity;

/// The text of an unknown value.
const UNKNOWN: &str = "-";

const HEAD: &str = "\
| target | machine | byte order | bits | kernel | archive | boot | passed | skipped | failed |
|---|---|---|---|---|---|---|---|---|---|
";

/// The table. `archive` returns the size of a target's image in the repository. `runs` are in the
/// order of their start. The last run with tests of a target determines its results.
pub(crate) fn table(
    project: &Project,
    archive: impl Fn(&str) -> Option<u64>,
    runs: &[RunReport],
) -> String {
    let kernel = project.recipes.get("linux");
    let kernel = kernel.map_or(UNKNOWN, |recipe| &recipe.version);
    let rows = project.arches.values().map(|arch| {
        let size = archive(&arch.name).map_or_else(|| UNKNOWN.to_owned(), quantity::bytes);
        let columns = [
            target(arch).to_vec(),
            vec![kernel.to_owned(), size],
            results(arch, runs).to_vec(),
        ];
        format!("| {} |\n", columns.concat().join(" | "))
    });
    HEAD.to_owned() + &rows.collect::<String>()
}

fn target(arch: &Arch) -> [String; 4] {
    let machine = arch.qemu.machines.get(&arch.qemu.machine);
    let machine = machine.map_or(&arch.qemu.machine, |machine| &machine.name);
    let endian = match arch.endian {
        Endian::Big => "big",
        Endian::Little => "little",
    };
    [
        arch.name.clone(),
        machine.clone(),
        endian.to_owned(),
        arch.bits.to_string(),
    ]
}

/// Boot time, and the numbers of tests that passed, were skipped, and had any other outcome.
fn results(arch: &Arch, runs: &[RunReport]) -> [String; 4] {
    let is_its = |test: &&TestReport| test.arch == arch.name;
    let its = |run: &RunReport| run.tests.iter().any(|test| is_its(&test));
    let Some(run) = runs.iter().rev().find(|run| its(run)) else {
        return [UNKNOWN; 4].map(str::to_owned);
    };
    let tests = || run.tests.iter().filter(is_its);
    let count = |kind: fn(&Outcome) -> bool| tests().filter(|test| kind(&test.outcome)).count();
    let passed = count(|outcome| *outcome == Outcome::Passed);
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped { .. }));
    let rest = tests().count() - passed - skipped;
    [
        fastest_boot(tests()).unwrap_or_else(|| UNKNOWN.to_owned()),
        passed.to_string(),
        skipped.to_string(),
        rest.to_string(),
    ]
}

/// The shortest boot of a test with one guest that was not restored. Concurrent tests share the
/// processors, so the shortest time is nearest to that of an idle machine.
fn fastest_boot<'t>(tests: impl Iterator<Item = &'t TestReport>) -> Option<String> {
    let booted = tests.filter(|test| test.setup.starts.len() == 1 && !test.is_warm());
    let least = booted
        .map(|test| test.times.boot_ms)
        .filter(|time| *time > 0)
        .min()?;
    Some(format!("{}.{:02} s", least / 1000, least % 1000 / 10))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8PathBuf;
    use verdict::event::{GuestStart, SCHEMA, Setup, StartKind, Times};
    use verdict::origin::Origin;

    use super::*;

    fn test(arch: &str, outcome: Outcome, boot_ms: u64, start: StartKind) -> TestReport {
        let reason = String::new();
        TestReport {
            outcome,
            times: Times {
                boot_ms,
                ..Times::default()
            },
            setup: Setup {
                starts: vec![GuestStart { start, reason }],
                ..Setup::default()
            },
            ..TestReport::new(arch, "area", "test")
        }
    }

    fn run(tests: Vec<TestReport>) -> RunReport {
        RunReport {
            schema: SCHEMA,
            origin: Origin::default(),
            platforms: Vec::new(),
            seed: 1,
            tests,
            duration_ms: 1,
            interrupted: None,
            run_dir: Utf8PathBuf::new(),
            coverage: None,
        }
    }

    fn project() -> Project {
        let root = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = host::files::read_tree(&root, &["recipes", "images"], &["images/prebuilt"]);
        plan::load(&files.unwrap()).unwrap()
    }

    #[test]
    fn last_run_of_each_target_counts() {
        let mut project = project();
        let kept = ["aarch64", "ppc64", "x86_64"];
        project
            .arches
            .retain(|name, _| kept.contains(&name.as_str()));
        let passed = |arch, boot| test(arch, Outcome::Passed, boot, StartKind::Cold);
        let skipped = Outcome::Skipped {
            reason: String::new(),
        };
        let failed = Outcome::Failed {
            cause: String::new(),
        };
        let runs = [
            run(vec![passed("x86_64", 900), passed("ppc64", 700)]),
            run(vec![
                passed("x86_64", 1230),
                test("x86_64", Outcome::Passed, 100, StartKind::Warm),
                passed("x86_64", 1499),
                test("x86_64", skipped, 0, StartKind::Cold),
                test("x86_64", failed, 0, StartKind::Cold),
            ]),
        ];
        let sizes = BTreeMap::from([("x86_64", 4_299_952), ("ppc64", 3_930_308)]);
        let table = table(&project, |arch| sizes.get(arch).copied(), &runs);
        let version = &project.recipes["linux"].version;
        insta::assert_snapshot!(table.replace(version.as_str(), "VERSION"), @r"
        | target | machine | byte order | bits | kernel | archive | boot | passed | skipped | failed |
        |---|---|---|---|---|---|---|---|---|---|
        | aarch64 | virt | little | 64 | VERSION | - | - | - | - | - |
        | ppc64 | pseries | big | 64 | VERSION | 3.9 MB | 0.70 s | 1 | 0 | 0 |
        | x86_64 | q35 | little | 64 | VERSION | 4.2 MB | 1.23 s | 3 | 1 | 1 |
        ");
    }

    /// The columns that do not depend on a run.
    #[test]
    fn readme_has_every_target() {
        let root = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let size = |arch: &str| {
            let archive = root.join(format!("images/prebuilt/{arch}.tar.xz"));
            fs_err::metadata(archive).ok().map(|archive| archive.len())
        };
        let readme = fs_err::read_to_string(root.join("README.md")).unwrap();
        let table = table(&project(), size, &[]);
        let rows = table.lines().filter(|row| !row.contains("---"));
        for row in rows {
            let columns: Vec<&str> = row.split(" | ").take(6).collect();
            let row = format!("{} |", columns.join(" | "));
            let is_there = readme.lines().any(|line| line == row);
            assert!(is_there, "write this line into README.md: {row}");
        }
    }
}
