//! Starts the program `builder`, which contains the commands that fetch, build or publish. Running
//! tests does not need it, so it is compiled when such a command is first used.

use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Stdio};

use crate::cli::{ColorChoice, Global, SourceArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::output;

/// The name of the package and its program.
const NAME: &str = "builder";
/// Time limit of its compilation.
const COMPILE_LIMIT: Duration = Duration::from_secs(60 * 60);
/// Time limit to provide images, which may be built from source on a slow machine.
const PROVIDE_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Replaces this process by `builder` with the same arguments. Returns only if that fails.
pub(crate) fn replace(context: &Context) -> Failure {
    match program(context) {
        Ok(program) => {
            let error = host::guard::replace_with(&program);
            Failure::new(
                Exit::SetupMissing,
                anyhow::Error::new(error).context(format!("failed to start `{program}`")),
            )
        }
        Err(failure) => failure,
    }
}

/// Fetches or builds what a recipe makes for some architectures.
pub(crate) fn provide(
    context: &Context,
    source: &SourceArgs,
    (recipe, arches): (&str, &[String]),
) -> Result<(), Failure> {
    let status = Command::new(program(context)?)
        .with_secrets()
        .arg("provide")
        .arg(format!("--recipe={recipe}"))
        .args(global_flags(&context.global))
        .args(source_flags(source, arches))
        .current_dir(&context.env.current_dir)
        .stdin(Stdio::Inherit)
        .stdout(Stdio::Inherit)
        .stderr(Stdio::Inherit)
        .same_group()
        .run(PROVIDE_LIMIT)
        .map_err(hinted!(Exit::SetupMissing))?;
    match u8::try_from(status.shell_code()) {
        Ok(0) => Ok(()),
        // It has printed the reason.
        code => Err(Failure::reported(Exit::Child(code.unwrap_or(101)))),
    }
}

/// The global options of a command that is run for this one.
pub(crate) fn global_flags(global: &Global) -> Vec<String> {
    let switches = [
        ("--offline", global.offline),
        ("--locked", global.locked),
        ("--quiet", global.quiet),
        ("--verbose", global.verbose > 0),
    ];
    let switches = switches.into_iter().filter(|(_, is_on)| *is_on);
    let mut flags: Vec<String> = switches.map(|(flag, _)| flag.to_owned()).collect();
    flags.extend(global.jobs.map(|jobs| format!("--jobs={jobs}")));
    flags.extend(
        global
            .profile
            .as_ref()
            .map(|name| format!("--profile={name}")),
    );
    flags.extend(global.color.map(|color| {
        let color = match color {
            ColorChoice::Auto => "auto",
            ColorChoice::Always => "always",
            ColorChoice::Never => "never",
        };
        format!("--color={color}")
    }));
    flags
}

/// The options about images of such a command.
pub(crate) fn source_flags(source: &SourceArgs, arches: &[String]) -> Vec<String> {
    let switches = [
        ("--from-source", source.from_source),
        ("--no-prebuilt", source.no_prebuilt),
        ("--no-sandbox", source.no_sandbox),
    ];
    let switches = switches.into_iter().filter(|(_, is_on)| *is_on);
    let mut flags: Vec<String> = switches.map(|(flag, _)| flag.to_owned()).collect();
    flags.extend(arches.iter().map(|arch| format!("--arch={arch}")));
    let urls = source.mirror.iter().map(|url| ("--mirror", url));
    let debian = source.debian_mirror.iter();
    let urls = urls.chain(debian.map(|url| ("--debian-mirror", url)));
    let snapshot = source.debian_snapshot.iter();
    let urls = urls.chain(snapshot.map(|url| ("--debian-snapshot", url)));
    flags.extend(urls.map(|(flag, url)| format!("{flag}={}", url.reveal())));
    flags
}

/// The path of the program, next to this one. Compiles it if its code is newer.
fn program(context: &Context) -> Result<Utf8PathBuf, Failure> {
    let env = &context.env;
    let program = env.executable.with_file_name(NAME);
    let named = env.cargo_manifest_dir.as_deref().and_then(Utf8Path::parent);
    let mut roots = named
        .into_iter()
        .chain(env.executable.ancestors())
        .chain([context.root.as_path()]);
    let manifest = Utf8Path::new("xtask").join(NAME).join("Cargo.toml");
    let root = roots.find(|root| root.join(&manifest).is_file());
    match root {
        Some(root) if !is_current(&program, root) => compile(context, root, &program)?,
        None if !program.is_file() => {
            let error = anyhow::anyhow!("failed to find `{program}`");
            let hint = format!("cargo build --package {NAME}");
            return Err(Failure::new(Exit::SetupMissing, error).hint(hint));
        }
        _ => {}
    }
    Ok(program)
}

/// Whether no source of the program is newer than it. Cargo lists the sources in a file next to the
/// program, as a make rule.
fn is_current(program: &Utf8Path, root: &Utf8Path) -> bool {
    let modified = |path: &Utf8Path| host::files::modified(path).ok();
    let Some(built) = modified(program) else {
        return false;
    };
    let Ok(rule) = host::files::read(&program.with_extension("d")) else {
        return false;
    };
    let rule = String::from_utf8_lossy(&rule);
    let sources = sources(&rule).into_iter();
    let lock = [root.join("Cargo.lock"), root.join("Cargo.toml")];
    let is_old = |path: Utf8PathBuf| modified(&path).is_some_and(|time: SystemTime| time <= built);
    sources.chain(lock).all(is_old)
}

/// The prerequisites of a make rule. A backslash precedes a space in a name.
fn sources(rule: &str) -> Vec<Utf8PathBuf> {
    let line = rule.lines().next().unwrap_or_default();
    let (_, names) = line.split_once(": ").unwrap_or_default();
    let names = names.replace("\\ ", "\0");
    let names = names.split_whitespace();
    names
        .map(|name| Utf8PathBuf::from(name.replace('\0', " ")))
        .collect()
}

fn compile(context: &Context, root: &Utf8Path, program: &Utf8Path) -> Result<(), Failure> {
    let env = &context.env;
    if !context.global.quiet {
        output::note("Compiling the commands that download, build and publish");
    }
    let profile = program.parent().unwrap_or(root);
    let target = profile.parent().unwrap_or(root);
    let profile = match profile.file_name() {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let cargo = env.cargo.clone();
    let offline = context.global.offline.then_some("--offline");
    let status = Command::new(cargo.unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--package", NAME, "--profile", profile])
        .args(["--target-dir", target.as_str()])
        .args(offline)
        .current_dir(root)
        .stdout(Stdio::Inherit)
        .stderr(Stdio::Inherit)
        .run(COMPILE_LIMIT)
        .map_err(hinted!(Exit::SetupMissing))?;
    if status.success() {
        return Ok(());
    }
    let error = anyhow::anyhow!("failed to compile `{NAME}`: cargo exited with {status}");
    Err(Failure::new(Exit::Failed, error).hint(format!("cargo build --package {NAME}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_are_not_split() {
        let found = sources("/t/debug/builder: /a/b.rs /c\\ d/e.rs\n\n/a/b.rs:\n");
        assert_eq!(found, ["/a/b.rs", "/c d/e.rs"]);
        assert!(sources("").is_empty());
    }

    #[test]
    fn program_is_current_until_a_source_is_newer() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let touch = |name: &str, seconds: u64| {
            let file = fs_err::File::create(root.join(name)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.into_parts().0.set_modified(time).unwrap();
        };
        let program = root.join("builder");
        assert!(!is_current(&program, root));
        touch("builder", 10);
        assert!(!is_current(&program, root));
        for name in ["main.rs", "Cargo.lock", "Cargo.toml"] {
            touch(name, 10);
        }
        let rule = format!("{program}: {root}/main.rs\n");
        fs_err::write(root.join("builder.d"), rule).unwrap();
        assert!(is_current(&program, root));
        for name in ["main.rs", "Cargo.lock"] {
            touch(name, 11);
            assert!(!is_current(&program, root), "{name}");
            touch(name, 10);
        }
        fs_err::remove_file(root.join("main.rs")).unwrap();
        assert!(!is_current(&program, root));
    }

    #[test]
    fn flags_are_passed_on_unchanged() {
        use clap::Parser as _;
        let words = [
            "xtask",
            "test",
            "--offline",
            "--quiet",
            "-j3",
            "--profile=ci",
            "--color=never",
            "--from-source",
            "--no-sandbox",
            "--mirror=https://me:secret@host",
            "--debian-mirror=https://d",
            "--debian-snapshot=https://s",
        ];
        let cli = crate::cli::Cli::try_parse_from(words).unwrap();
        let crate::cli::Command::Test(args) = cli.command else {
            panic!("another command");
        };
        let mut flags = global_flags(&cli.global);
        flags.extend(source_flags(&args.source, &["one".to_owned()]));
        let again = ["xtask", "provide", "--recipe=image"]
            .map(str::to_owned)
            .into_iter();
        let again = crate::cli::Cli::try_parse_from(again.chain(flags.clone())).unwrap();
        let crate::cli::Command::Provide(provide) = again.command else {
            panic!("another command");
        };
        let source = provide.source;
        assert_eq!(global_flags(&again.global), global_flags(&cli.global));
        assert_eq!(source.arch, ["one"]);
        assert_eq!(
            source_flags(&source, &source.arch),
            source_flags(&args.source, &source.arch)
        );
        assert_eq!(flags.len(), 11, "{flags:?}");
    }
}
