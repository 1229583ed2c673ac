//! `cargo xtask mirror-check`: checks a whole published tree as an outside reader would.

use camino::Utf8PathBuf;
use host::secret::SecretUrl;
use plan::digest::Digest;
use publish::check::{Known, Report, walk};
use publish::tree_reader::{Directory, ReadError, TreeReader, Web};

use crate::command::publish::{Published, keys};
use crate::network;
use crate::render;
use xtask::cli::MessageFormat;
use xtask::cli::publish::MirrorCheckArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure, hinted};
use xtask::output;

pub(crate) fn run(context: &Context, args: &MirrorCheckArgs) -> CommandResult {
    let place = open_tree(context, &args.place)?;
    let report = examine(context, &args.place, place.as_ref(), walk)?;
    let count = report.findings.len();
    output::result(render::release::walked(&report));
    if count > 0 {
        let problems = if count == 1 { "problem" } else { "problems" };
        let error = anyhow::anyhow!("found {count} {problems} in {}", args.place);
        return Err(Failure::new(Exit::FetchFailed, error));
    }
    Ok(Exit::Success)
}

/// Opens a tree for reading.
pub(crate) fn open_tree(
    context: &Context,
    address: &SecretUrl,
) -> Result<Box<dyn TreeReader>, Failure> {
    let text = address.reveal();
    if text.starts_with("s3://") {
        return Published::open(context, address)?
            .tree()
            .map(|tree| tree as Box<dyn TreeReader>);
    }
    if !text.starts_with("http://") && !text.starts_with("https://") {
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.contains("://") {
            let error = anyhow::anyhow!("expected a directory or URL to read, found `{address}`");
            let hint = "use a directory, https://HOST/PATH or s3://BUCKET/PREFIX".to_owned();
            return Err(Failure::new(Exit::Usage, error).hint(hint));
        }
        let path = context.env.absolute(&Utf8PathBuf::from(path));
        if !path.is_dir() {
            let error = anyhow::anyhow!("`{path}` is not a directory");
            return Err(Failure::new(Exit::Usage, error));
        }
        return Ok(Box::new(Directory(path)));
    }
    let client = network::client_for(context, address)?;
    let base = address.clone();
    Ok(Box::new(Web { client, base }))
}

/// Which part of a tree is checked.
pub(crate) type Walk = fn(&dyn TreeReader, &Known<'_>) -> Result<Report, ReadError>;

/// Checks the tree, prints the findings, and records the serial of the index.
pub(crate) fn examine(
    context: &Context,
    name: &SecretUrl,
    place: &dyn TreeReader,
    walk: Walk,
) -> Result<Report, Failure> {
    let store = context.store()?;
    let name = name.without_slash();
    let seen_at = store
        .mirror_dir()
        .join(Digest::of(name.reveal().as_bytes()).to_string());
    let seen = host::files::read(&seen_at).ok();
    let seen = seen.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
    let keys = keys(context)?;
    let known = Known {
        keys: &keys,
        now: host::clock::seconds(),
        seen: seen.unwrap_or(0),
    };
    let report = walk(place, &known).map_err(hinted!(Exit::FetchFailed))?;
    for finding in &report.findings {
        match context.global.message_format {
            MessageFormat::Human => output::result(render::release::finding(finding)),
            MessageFormat::Json => {
                output::result(render::release::finding_line(finding).to_string());
            }
        }
    }
    for name in &report.unfinished {
        output::note(format!(
            "`{name}` is not in the index: its publication was interrupted or is in progress"
        ));
    }
    if let Some(strays) = render::release::strays(&report) {
        output::note(strays);
    }
    if report.findings.is_empty() && report.serial > known.seen {
        // A read-only store only means that the serial is not recorded.
        let _ = host::files::write(&seen_at, report.serial.to_string().as_bytes());
    }
    Ok(report)
}
