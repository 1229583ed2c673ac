//! `cargo xtask publish`: images with their complete corresponding source, to a directory, a bucket or a
//! registry. What is not locked, whole, licensed and able to boot is not published.

mod destination;
mod material;
mod signing;

use fs_err as fs;
use host::http::SecretUrl;
use publish::bundle::{self, Parts};
use publish::perform;
use publish::release::{self, Blob, Inputs, Refusal, Release};
use publish::repository::{self, Repository};

use crate::cli::MessageFormat;
use crate::cli::publish::PublishArgs;
use crate::command::test;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome, hinted};
use crate::output::{self, Color};
use crate::supply::{Supply, store_failure};
use crate::{guests, render};

pub(crate) use destination::Published;
use material::cargo;
pub(crate) use material::crates;
pub(crate) use signing::{authority, keys};

/// The test that an image must pass: that it boots.
const BOOTS: &str = "boot::true";

pub(crate) fn run(context: &Context, args: &PublishArgs) -> Outcome {
    if let Some(url) = args.url.as_ref().filter(|url| url.has_credentials()) {
        let error = anyhow::anyhow!("`--url {url}` would publish its user and password");
        let hint = "name the address without them".to_owned();
        return Err(Failure::new(Exit::Usage, error).hint(hint));
    }
    let signing = authority(context, &args.signing)?;
    let destination = Published::open(context, &args.to)?;
    if !args.dry_run {
        destination.look()?;
    }
    let repository =
        Repository::read(&context.root, args.allow_dirty).map_err(hinted!(Exit::Failed))?;
    let supply = Supply::open(context, &args.source)?;
    let images = material::images(&supply)?;
    let sources = material::sources(&supply)?;
    let licences = material::licences(context)?;
    let crates = crates(context)?;
    let version = args.version.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
    let area = supply.store.workspace().map_err(store_failure)?;
    let path = area.path().join("source.tar");
    let unmade = Blob {
        digest: plan::digest::Digest::of(b""),
        size: 0,
        path: path.clone(),
    };
    let mut inputs = Inputs {
        project: &supply.project,
        plan: &supply.plan,
        version,
        commit: &repository.commit,
        images: &images,
        sources: &sources,
        licences: &licences,
        crates: &crates,
        bundle: &unmade,
        url: args.url.as_ref().map(SecretUrl::reveal),
    };
    refuse(&release::refusals(&inputs))?;
    if !args.dry_run {
        boots(&supply, args)?;
    }
    let vendor = area.path().join("vendor");
    // Cargo makes no folder where there is no crate.
    fs::create_dir_all(&vendor).map_err(|error| Failure::new(Exit::Failed, error))?;
    repository::vendor(&context.root, &cargo(context), &vendor).map_err(hinted!(Exit::Failed))?;
    let parts = Parts {
        version,
        repository: &repository,
        sources: &sources,
        vendor: &vendor,
    };
    let (size, digest) = fs::File::create(&path)
        .and_then(|file| bundle::write(&parts, std::io::BufWriter::new(file)))
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let made = Blob { digest, size, path };
    inputs.bundle = &made;
    let release = release::plan(&inputs).map_err(|refusals| refused(&refusals))?;
    if args.dry_run {
        show(context, &release);
        return Ok(Exit::Success);
    }
    match destination {
        Published::Registry(registry) => {
            let digest = registry
                .push(&release, &mut told(context))
                .map_err(hinted!(Exit::FetchFailed))?;
            output::result(format!("{} is at {} ({digest})", release.name, args.to));
        }
        destination => {
            let mut tree = destination.tree()?;
            perform::publish(
                tree.as_mut(),
                &release,
                &signing.authority(),
                &mut told(context),
            )
            .map_err(hinted!(Exit::FetchFailed))?;
            output::result(format!("{} is at {}", release.name, args.to));
            output::note(format!("check it: cargo xtask mirror-check {}", args.to));
        }
    }
    Ok(Exit::Success)
}

/// Says with `-v` what is done.
pub(crate) fn told(context: &Context) -> impl FnMut(&str) + use<> {
    let (loud, style) = (context.global.verbose > 0, context.style);
    move |path| {
        if loud {
            output::note(format!("{} {path}", style.paint(Color::Dim, "done")));
        }
    }
}

fn refuse(refusals: &[Refusal]) -> Result<(), Failure> {
    if refusals.is_empty() {
        return Ok(());
    }
    Err(refused(refusals))
}

/// All that stands against the release; the first says what fixes it.
fn refused(refusals: &[Refusal]) -> Failure {
    for refusal in refusals.iter().skip(1) {
        output::note(refusal.to_string());
    }
    match refusals.first() {
        None => Failure::new(Exit::Failed, anyhow::anyhow!("nothing can be published")),
        Some(first) => Failure::new(Exit::FetchFailed, first.clone()).hint(first.hint()),
    }
}

/// The very files that will be published boot.
fn boots(supply: &Supply<'_>, args: &PublishArgs) -> Result<(), Failure> {
    let context = supply.context;
    let suite = test::load(context, &supply.known_arches())?;
    let runs = guests::prepare(supply, &args.guest)?;
    let report = test::quietly(context, &suite, runs, BOOTS, context.jobs())?;
    if report.exit_code() == 0 {
        return Ok(());
    }
    let error = anyhow::anyhow!("an image does not boot: nothing was published");
    Err(Failure::new(Exit::TestFailed, error).hint(format!("cargo xtask test {BOOTS}")))
}

fn show(context: &Context, release: &Release) {
    for file in &release.files {
        match context.global.message_format {
            MessageFormat::Human => output::result(render::release::planned(file)),
            MessageFormat::Json => {
                output::result(render::release::planned_line(file).to_string());
            }
        }
    }
}
