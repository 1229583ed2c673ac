//! `load` and `plan` over a small repository that is held in memory.

mod fixture;
mod planned;
mod wrong;
