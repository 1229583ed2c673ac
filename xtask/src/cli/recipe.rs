//! The options of `recipe`.

use clap::{Args, Subcommand};

use super::{EXECUTION, SourceArgs};

#[derive(Debug, Args)]
pub struct RecipeArgs {
    #[command(subcommand)]
    pub command: RecipeCommand,
}

/// What can be done with a recipe.
#[derive(Debug, Subcommand)]
pub enum RecipeCommand {
    /// Update a recipe to another version of its source
    ///
    /// Downloads the new source from the recipe's locations, writes its size and digests to the recipe, and
    /// writes the frozen configs that depend on it (the complete configs in `images/`) again. A version applies to every target, so use `--arch all` for the
    /// kernel. Comments and layout of the recipe are kept.
    Bump(BumpArgs),
}

#[derive(Debug, Args)]
pub struct BumpArgs {
    /// Select the recipe
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Set the new version
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Do not change the frozen configs
    #[arg(long, help_heading = EXECUTION)]
    pub no_refreeze: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}
