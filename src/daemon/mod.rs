//! The daemon: the loop, and the doors by which people and signals reach it.

pub mod control;
pub mod signals;
