//! Tests `load` and `plan` with a small repository in memory.

mod fixture;
mod planned;
mod wrong;
