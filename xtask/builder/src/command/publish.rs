//! `cargo xtask publish`: publishes images with their complete corresponding source to a directory,
//! a bucket or a registry. It refuses images that are not locked, complete, licensed or bootable.

mod destination;
mod material;
mod refusal;
mod signing;

use fs_err as fs;
use host::secret::SecretUrl;
use publish::bundle::{self, Parts};
use publish::perform;
use publish::release::{self, Blob, Inputs, Release};
use publish::repository::{self, Repository};

use crate::render;
use crate::wiring::{Supply, store_failure};
use xtask::cli::MessageFormat;
use xtask::cli::publish::PublishArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure, hinted};
use xtask::output::{self, Color};

pub(crate) use destination::Published;
use material::cargo;
pub(crate) use material::crates;
use refusal::{boots, refuse, refused};
pub(crate) use signing::{authority, keys};

pub(crate) fn run(context: &Context, args: &PublishArgs) -> CommandResult {
    if let Some(url) = args.url.as_ref().filter(|url| url.has_credentials()) {
        let error = anyhow::anyhow!("`--url {url}` would publish its user and password");
        let hint = "remove the user and password from the URL".to_owned();
        return Err(Failure::new(Exit::Usage, error).hint(hint));
    }
    let signing = authority(context, &args.signing)?;
    let destination = Published::open(context, &args.to)?;
    if !args.dry_run {
        destination.check_access()?;
    }
    let repository =
        Repository::read(&context.root, args.allow_dirty).map_err(hinted!(Exit::Failed))?;
    let supply = Supply::open(context, &args.source)?;
    let images = material::images(&supply)?;
    let programs = material::programs(&supply)?;
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
        programs: &programs,
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
    // Cargo creates no folder if there are no crates.
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
                .push(&release, &mut progress(context))
                .map_err(hinted!(Exit::FetchFailed))?;
            output::result(format!(
                "published {} to {} ({digest})",
                release.name, args.to
            ));
        }
        destination => {
            let mut tree = destination.tree()?;
            perform::publish(
                tree.as_mut(),
                &release,
                &signing.authority(),
                &mut progress(context),
            )
            .map_err(hinted!(Exit::FetchFailed))?;
            output::result(format!("published {} to {}", release.name, args.to));
            output::note(format!("to check it: cargo xtask mirror-check {}", args.to));
        }
    }
    Ok(Exit::Success)
}

/// Prints each action with `-v`.
pub(crate) fn progress(context: &Context) -> impl FnMut(&str) + use<> {
    let (loud, style) = (context.global.verbose > 0, context.style);
    move |path| {
        if loud {
            output::note(format!("{} {path}", style.paint(Color::Dim, "done")));
        }
    }
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
