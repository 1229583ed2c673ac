//! The options of `recipe`.

use clap::{Args, Subcommand};

use super::SourceArgs;

#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    #[command(subcommand)]
    pub(crate) command: RecipeCommand,
}

/// What can be done with a recipe.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    /// Update a recipe to another version of its sources
    ///
    /// Finds the new file in the recipe's locations, keeps it in the store, writes its size and digests
    /// into the recipe, and refreezes the configs that are made from it. Comments and layout of the
    /// recipe stay as they are.
    Bump(BumpArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BumpArgs {
    /// Name of the recipe
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The new version
    #[arg(value_name = "VERSION")]
    pub(crate) version: String,
    /// Leave the frozen configs as they are
    #[arg(long)]
    pub(crate) no_refreeze: bool,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}
