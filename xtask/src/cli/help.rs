//! Tests the help text of every command. The commands come from the command line itself, so new
//! ones are tested without a change here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory as _};

use super::{Cli, GLOBAL};

/// Every visible command with its full name.
fn commands() -> Vec<Command> {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut found = Vec::new();
    collect(root, &mut found);
    found
}

fn collect(command: Command, found: &mut Vec<Command>) {
    let inner: Vec<Command> = command.get_subcommands().cloned().collect();
    found.push(command);
    for command in inner {
        if !command.is_hide_set() && command.get_name() != "help" {
            collect(command, found);
        }
    }
}

/// The name of a command in file names: `test`, `store-gc`, or `xtask` for the whole.
fn short_name(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let name = name.strip_prefix("cargo ").unwrap_or(name);
    name.strip_prefix("xtask ")
        .unwrap_or(name)
        .replace(' ', "-")
}

/// The options and arguments of a command, without the global options.
fn own_arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let own = |argument: &&Arg| argument.get_help_heading() != Some(GLOBAL);
    command.get_arguments().filter(own)
}

#[test]
fn help_of_every_command() {
    let mut snapshots = BTreeSet::new();
    for mut command in commands() {
        let short = command.render_help().to_string();
        let long = command.render_long_help().to_string();
        let name = short_name(&command);
        snapshots.insert(format!("xtask__cli__help__{name}.snap"));
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => true}, {
            insta::assert_snapshot!(name, format!("$ -h\n{short}\n\n$ --help\n{long}"));
        });
    }
    assert!(snapshots.len() > 25, "only {snapshots:?}");
    // A renamed or removed command must not leave a snapshot.
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/snapshots");
    let files = fs_err::read_dir(directory).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|kind| kind == "snap"));
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let files: BTreeSet<String> = files.map(name).collect();
    assert_eq!(files, snapshots);
}

#[test]
fn short_help_is_imperative_and_short() {
    let mut wrong = Vec::new();
    for command in commands() {
        let name = short_name(&command);
        let mut check = |what: &str, text: Option<String>| {
            let text = text.unwrap_or_default();
            // `[env: …]` and `[default: …]` are notes.
            let prose = text.split(" [").next().unwrap_or_default();
            let words = prose.split_whitespace().count();
            let starts_well = prose.starts_with(|c: char| c.is_ascii_uppercase());
            if words == 0 || words > 9 || prose.ends_with('.') || !starts_well {
                wrong.push(format!("{name} {what}: {text}"));
            }
        };
        check("itself", command.get_about().map(ToString::to_string));
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string);
            check(argument.get_id().as_str(), help);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_option_has_a_heading() {
    for command in commands() {
        // Positional arguments are under `Arguments`.
        let wrong = own_arguments(&command)
            .filter(|argument| argument.is_positional() == argument.get_help_heading().is_some());
        let wrong: Vec<&str> = wrong.map(|argument| argument.get_id().as_str()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", short_name(&command));
    }
}

#[test]
fn global_options_come_last() {
    for mut command in commands() {
        let help = command.render_help().to_string();
        let mut headings = help.lines().filter(|line| {
            line.ends_with(':') && line.starts_with(|c: char| c.is_ascii_alphabetic())
        });
        assert_eq!(headings.next_back(), Some("Global options:"), "{help}");
    }
}

#[test]
fn examples_parse() {
    let mut seen = 0;
    for command in commands() {
        let text = command.get_after_long_help();
        let text = text.map(ToString::to_string).unwrap_or_default();
        for line in text.lines() {
            let Some(line) = line.trim().strip_prefix("cargo xtask ") else {
                continue;
            };
            let line = line.split("   ").next().unwrap_or_default();
            let words = line.replace("'group(hotplug) and not arch(ppc64)'", "EXPR");
            let words = words.split_whitespace();
            let parsed = Cli::command().try_get_matches_from(["xtask"].into_iter().chain(words));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} examples");
}
