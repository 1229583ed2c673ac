//! The images of a run from the command line: local images, and `builder` for the others.

use std::collections::BTreeMap;
use std::ops::Deref;

use host::secret::SecretUrl;
use plan::Project;
use plan::digest::Digest;
use plan::step::Plan;
use provision::roots::keep_root;
use provision::{Policy, Provision, ProvisionError, Reuse};
use store::{Ready, Store, StoreError, Verified};

use crate::builder;
use crate::cli::SourceArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};

/// What `provide` makes instead of the images of a recipe.
pub const DISTRIBUTION: &str = "debian";

/// The images of a run, which `provision` finds.
pub struct Supply<'a> {
    /// The state of the command.
    pub context: &'a Context,
    source: &'a SourceArgs,
    images: Provision<'a>,
}

impl<'a> Deref for Supply<'a> {
    type Target = Provision<'a>;

    fn deref(&self) -> &Provision<'a> {
        &self.images
    }
}

impl<'a> Supply<'a> {
    /// Reads the recipes, makes the plan and opens the store.
    pub fn open(context: &'a Context, source: &'a SourceArgs) -> Result<Self, Failure> {
        Self::of_project(context, source, context.project()?)
    }

    /// The same with recipes that were read before.
    pub fn of_project(
        context: &'a Context,
        source: &'a SourceArgs,
        project: Project,
    ) -> Result<Self, Failure> {
        check_mirrors(context, source)?;
        let (plan, arches) = plan_images(context, &project, source)?;
        let store = context.store()?;
        keep_root(&context.root, &project, (&plan, &arches), &store)?;
        Ok(Self {
            context,
            source,
            // `builder` repeats the search and prints notes.
            images: provision(context, source, (project, plan, arches), store, |_| {}),
        })
    }

    /// What a recipe makes for these architectures. `builder` fetches or builds what is not here.
    pub fn provided(
        &self,
        recipe: &str,
        arches: &[String],
    ) -> Result<BTreeMap<String, Ready>, Failure> {
        let mut images = self.at_hand(recipe, arches)?;
        let is_missing = |arch: &&String| !images.contains_key(*arch);
        let missing: Vec<String> = arches.iter().filter(is_missing).cloned().collect();
        if missing.is_empty() {
            return Ok(images);
        }
        builder::provide(self.context, self.source, (recipe, &missing))?;
        for arch in missing {
            let (_, step) = self.step(recipe, &arch)?;
            let ready = self.in_store(step)?.ok_or_else(|| {
                let error = anyhow::anyhow!("failed to find the {recipe} of {arch} in the store");
                Failure::new(Exit::Failed, error)
            })?;
            images.insert(arch, ready);
        }
        Ok(images)
    }
}

impl Supply<'_> {
    /// The root file system of a distribution, which its lock names. `builder` makes what is not in the store.
    pub(crate) fn distribution(&self, arch: &str, image: &Digest) -> Result<Verified, Failure> {
        let in_store = || self.store.blob(image).map_err(store_failure);
        if let Some(image) = in_store()? {
            return Ok(image);
        }
        let arches = [arch.to_owned()];
        builder::provide(self.context, self.source, (DISTRIBUTION, &arches))?;
        in_store()?.ok_or_else(|| {
            let error = anyhow::anyhow!("failed to find the {DISTRIBUTION} of {arch} in the store");
            Failure::new(Exit::Failed, error)
        })
    }
}

/// The plan of the requested architectures.
pub fn plan_images(
    context: &Context,
    project: &Project,
    source: &SourceArgs,
) -> Result<(Plan, Vec<String>), Failure> {
    let arches = context.arches(project, &source.arch)?;
    let plan = project.plan(&arches).map_err(hinted!(Exit::Usage))?;
    Ok((plan, arches))
}

/// The local images of a run, with the policy of the flags.
pub fn provision<'a>(
    context: &Context,
    source: &SourceArgs,
    (project, plan, arches): (Project, Plan, Vec<String>),
    store: Store,
    note: impl Fn(&str) + Sync + 'a,
) -> Provision<'a> {
    let reuse = match source {
        SourceArgs {
            from_source: true, ..
        } => Reuse::Nothing,
        SourceArgs {
            no_prebuilt: true, ..
        } => Reuse::NotPrebuilt,
        _ => Reuse::Any,
    };
    Provision {
        root: context.root.clone(),
        project,
        plan,
        store,
        arches,
        policy: Policy {
            reuse,
            locked: context.global.locked,
            offline: context.global.offline,
        },
        has_mirrors: !mirrors(context, source).is_empty(),
        note: Box::new(note),
    }
}

/// Kiln mirrors: those of the command line, else those of the environment.
#[must_use]
pub fn mirrors<'a>(context: &'a Context, source: &'a SourceArgs) -> &'a [SecretUrl] {
    match &source.mirror[..] {
        [] => &context.env.kiln_mirrors,
        named => named,
    }
}

/// Refuses an unusable mirror URL early.
pub fn check_mirrors(context: &Context, source: &SourceArgs) -> Result<(), Failure> {
    let env = &context.env;
    let flags = source.mirror.iter().map(|url| ("--mirror", url));
    let flags = flags.chain(
        source
            .debian_mirror
            .iter()
            .map(|url| ("--debian-mirror", url)),
    );
    let variables = env.kiln_mirrors.iter().map(|url| ("KILN_MIRROR", url));
    let debian = env.kiln_debian_mirror.iter();
    let variables = variables.chain(debian.map(|url| ("KILN_DEBIAN_MIRROR", url)));
    let snapshot = source.debian_snapshot.iter();
    let flags = flags.chain(snapshot.map(|url| ("--debian-snapshot", url)));
    let snapshot = env.kiln_debian_snapshot.iter();
    let variables = variables.chain(snapshot.map(|url| ("KILN_DEBIAN_SNAPSHOT", url)));
    for (name, url) in flags.chain(variables) {
        url.check().map_err(|error| {
            Failure::new(Exit::Usage, anyhow::anyhow!("{name}: {error}"))
                .hint(format!("{name} takes a base URL such as https://host/path"))
        })?;
    }
    Ok(())
}

/// Converts an error of the store to a failure.
#[must_use]
pub fn store_failure(error: StoreError) -> Failure {
    let hint = error.hint();
    Failure::new(store_exit(&error), error).hint(hint)
}

/// An unusable store is a setup error, but a corrupt entry is not.
#[must_use]
pub fn store_exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Full { .. }
        | StoreError::ReadOnly(_)
        | StoreError::Absent(_)
        | StoreError::FoldsCase(_)
        | StoreError::FutureEntry { .. } => Exit::SetupMissing,
        _ => Exit::Failed,
    }
}

impl From<ProvisionError> for Failure {
    fn from(error: ProvisionError) -> Self {
        let exit = match error {
            ProvisionError::Store(error) => return store_failure(error),
            ProvisionError::Plan(_) | ProvisionError::NoRecipe { .. } => Exit::Usage,
            ProvisionError::Prebuilt(_) | ProvisionError::Differs { .. } => Exit::FetchFailed,
            ProvisionError::Io(_)
            | ProvisionError::Files(_)
            | ProvisionError::WouldChangeLock(_)
            | ProvisionError::Outdated(_) => Exit::Failed,
        };
        let hint = error.hint();
        Self::new(exit, error).hint(hint)
    }
}
