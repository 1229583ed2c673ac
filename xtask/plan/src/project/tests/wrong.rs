//! The errors for the small repository with one mistake each.

use std::fmt::Write as _;

use camino::Utf8Path;
use proptest::prelude::*;

use super::super::load;
use super::fixture::{
    Files, GMP, INITRAMFS, LINUX_CONFIG, edited, repository, shared_compiler, with, without,
};
use crate::diagnostic::show;

/// Name of the mistake, file below `recipes/`, original text, replacement. A `¶` is a newline.
const RECIPES: &str = r#"
name is not the folder's | gmp/recipe.toml | name = "gmp"¶version | name = "gpm"¶version
empty version | gmp/recipe.toml | "6.3.0" | ""
empty licence | gmp/recipe.toml | "LGPL-3.0-or-later" | ""
licence is prose | gmp/recipe.toml | "LGPL-3.0-or-later" | "GPL version 2"
summary of two lines | gmp/recipe.toml | "numbers" | "a\nb"
unknown keys | gmp/recipe.toml | scope = | scop = 1¶summery = 2¶scope =
unknown scope | gmp/recipe.toml | "common" | "comon"
missing script | gmp/recipe.toml | script = "build.sh.hbs" | script = "bild.sh.hbs"
no script | gmp/recipe.toml | script = "build.sh.hbs" |
missing patch | gmp/recipe.toml | 0001-doc.patch | 0001-docs.patch
patch without origin | gmp/patches/0001-doc.patch | Origin: | From:
way out | gmp/recipe.toml | patches/0001-doc.patch | ../x.patch
short digest | gmp/recipe.toml | 0000000001 | 1
digest in capitals | gmp/recipe.toml | 0000000001 | 000000000A
no locations | gmp/recipe.toml | ["debian: | [] # "debian:
odd locations | gmp/recipe.toml | https://example | ftp://example
odd Debian location | gmp/recipe.toml | debian:pool | debian:/pool
empty source | gmp/recipe.toml | size = 10 | size = 0
tool twice | gmp/recipe.toml | ["m4"] | ["m4", "m4"]
source twice | gcc/recipe.toml | [[source]] | [[source]]¶name = "gcc"¶file = "b"¶size = 1¶sha256 = "0000000000000000000000000000000000000000000000000000000000000009"¶locations = ["https://a/b"]¶[[source]]
same file, other bytes | gcc/recipe.toml | gcc.tar.xz"¶size | gmp.tar.xz"¶size
unknown input | gcc/recipe.toml | recipe = "gmp" | recipe = "gnp"
input twice | gcc/recipe.toml | [{ recipe | [{ recipe = "gmp" }, { recipe
circle | gcc/recipe.toml | [{ recipe | [{ recipe = "linux" }, { recipe
itself | gcc/recipe.toml | "gmp" } | "gcc" }
common needs arch | gmp/recipe.toml | tools = | inputs = [{ recipe = "linux" }]¶tools =
unknown place | gcc/recipe.toml | "gmp" } | "gmp", at = "td" }
common at the toolchain | gmp/recipe.toml | tools = | inputs = [{ recipe = "zlib", at = "tc" }]¶tools =
unknown compiler | linux/recipe.toml | at = "tc" } | at = "tc", compiler = "his" }
two for the base | linux/recipe.toml | at = "tc" }] | at = "tc", compiler = "base" }, { recipe = "gmp", at = "tc" }]
compiler in common | gmp/recipe.toml | tools = | inputs = [{ recipe = "zlib", compiler = "own" }]¶tools =
two at the toolchain | linux/recipe.toml | at = "tc" }] | at = "tc" }, { recipe = "gmp", at = "tc" }]
unknown sources-from | linux-config/recipe.toml | from = "linux" | from = "linus"
sources-from without | linux-config/recipe.toml | from = "linux" | from = "image"
own and other sources | linux/recipe.toml | inputs = | sources-from = "gcc"¶inputs =
reserved variable | linux/recipe.toml | KBUILD_BUILD_TIMESTAMP | PATH
odd variable | linux/recipe.toml | KBUILD_BUILD_TIMESTAMP | KBUILD-X
"#;

const TEMPLATES_AND_ENTRIES: &str = r#"
unknown variable | gcc/build.sh.hbs | {{triple}} | make¶  {{tripel}}
architecture in common | gmp/build.sh.hbs | {{version}} | {{arch}}
unknown in a condition | linux/build.sh.hbs | #if linux.compressed | #if linux.compress
not closed | linux/build.sh.hbs | {{/if}} |
variable in env | linux/recipe.toml | {{epoch}} | {{epok}}
variable in a path | linux/recipe.toml | {{arch}} | {{arhc}}
missing file | linux-config/recipe.toml | linux.fragment | linux.fragmnt
path out of the tree | linux-config/recipe.toml | "images/{{arch}}/linux.fragment" | "/etc/passwd"
one name twice | linux/recipe.toml | linux.config"] | linux.config", "images/alpha/linux.config"]
notice | initramfs/NOTICE.hbs | recipes.linux.sources | recipes.linus.sources
when | image/recipe.toml | "linux.compressed" | "linux.compresed"
mode without zero | initramfs/recipe.toml | "0755" | "755"
mode of letters | initramfs/recipe.toml | "0755" | "0rwx"
two contents | initramfs/recipe.toml | directory = true | directory = true, symlink = "a"
no content | initramfs/recipe.toml | path = "dev", directory = true | path = "dev"
leading slash | initramfs/recipe.toml | path = "bin" | path = "/bin"
no path | initramfs/recipe.toml | path = "bin",  |
entry twice | initramfs/recipe.toml | path = "bin" | path = "init"
no parent | initramfs/recipe.toml | path = "bin" | path = "usr/bin"
unknown recipe in an entry | initramfs/recipe.toml | "linux", path = "links" | "linuz", path = "links"
inputs of a gather | image/recipe.toml | [gather] | inputs = [{ recipe = "linux" }]¶[gather]
gather by the host | image/recipe.toml | product = "image" | product = "toolchain"
script and gather | image/recipe.toml | [gather] | script = "x"¶[gather]
"#;

/// Appends the errors of this repository.
fn case(report: &mut String, what: &str, files: &Files) {
    let diagnostics = load(files).err().unwrap_or_else(|| panic!("{what}: loads"));
    writeln!(report, "## {what}\n{}", show(&diagnostics)).unwrap();
}

fn cases(table: &str) -> String {
    let mut report = String::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let cells: Vec<String> = line
            .split('|')
            .map(|cell| cell.trim().replace('¶', "\n"))
            .collect();
        let [what, path, from, to] = &cells[..] else {
            panic!("four cells: {line}")
        };
        case(
            &mut report,
            what,
            &edited(&format!("recipes/{path}"), from, to),
        );
    }
    report
}

#[test]
fn invalid_recipes_are_explained() {
    insta::assert_snapshot!(cases(RECIPES));
}

#[test]
fn invalid_templates_and_entries_are_explained() {
    insta::assert_snapshot!(cases(TEMPLATES_AND_ENTRIES));
}

#[test]
fn invalid_repositories_are_explained() {
    let mut report = String::new();
    case(
        &mut report,
        "no host tools",
        &without("images/host-tools.toml"),
    );
    let tools = "epoch = 1\nbase = [\"sh\", \"/bin/sh\", \"sh\"]\n";
    case(
        &mut report,
        "odd host tools",
        &with("images/host-tools.toml", tools),
    );
    case(
        &mut report,
        "config of no architecture",
        &with("images/gamma/linux.config", "x\n"),
    );
    case(
        &mut report,
        "patch not applied",
        &with("recipes/gcc/patches/1.patch", "x\n"),
    );
    let mut files = repository();
    files.insert("recipes/gmp/recipe.toml".into(), vec![0xff]);
    case(&mut report, "recipe is not text", &files);
    files = repository();
    files.insert("recipes/gmp/build.sh.hbs".into(), vec![0xff]);
    case(&mut report, "script is not text", &files);
    files = edited("recipes/gmp/recipe.toml", "summary = ", "summry = ");
    files.insert("recipes/gcc/build.sh.hbs".into(), b"{{tripl}}".to_vec());
    files.remove(Utf8Path::new("images/alpha/linux.fragment"));
    case(&mut report, "three files at once", &files);
    for (what, path, from, to) in [
        ("unknown base", "beta", "\"alpha\"", "\"alpah\""),
        (
            "base of a base",
            "alpha",
            "configure = [\"--one\", \"--two=alpha\"]",
            "base = \"beta\"",
        ),
        (
            "configure with a base",
            "beta",
            "specs = ",
            "configure = [\"-x\"]\nspecs = ",
        ),
        (
            "tool of an unknown recipe",
            "beta",
            "[gcc]",
            "[tools]\ngc = [\"gawk\"]\n[gcc]",
        ),
        ("specs without a base", "beta", "base = \"alpha\"\n", ""),
        (
            "small without its file",
            "beta",
            "target = ",
            "small = true\ntarget = ",
        ),
        (
            "unknown key of small",
            "common/small",
            "",
            "without-drivr = []",
        ),
    ] {
        let mut files = shared_compiler();
        let path = format!("images/{path}.toml");
        let old = files.remove(Utf8Path::new(&path)).unwrap_or_default();
        let old = String::from_utf8(old).unwrap();
        assert!(old.contains(from), "`{from}` is not in {path}");
        files.insert(path.into(), old.replacen(from, to, 1).into_bytes());
        case(&mut report, what, &files);
    }
    insta::assert_snapshot!(report);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn error_location_is_inside_any_recipe(at in 0..INITRAMFS.len(), length in 0..20usize, put in "([a-z\"{}\\[\\]=,.\n0-9ä/]|directory|path){0,6}", which in 0..3usize) {
        let (path, text) = [
            ("recipes/initramfs/recipe.toml", INITRAMFS),
            ("recipes/gmp/recipe.toml", GMP),
            ("recipes/linux-config/recipe.toml", LINUX_CONFIG),
        ][which];
        let start = at.min(text.len());
        let end = (start + length).min(text.len());
        let edited = with(path, &format!("{}{put}{}", &text[..start], &text[end..]));
        for fault in load(&edited).err().unwrap_or_default() {
            prop_assert!(fault.text.get(fault.span.clone()).is_some(), "{:?}", fault);
        }
    }
}
