//! The daemon: the loop, and the doors by which people and signals reach it.

pub mod control;
pub mod signals;
//! The loop: what wakes, what is decided upon, what is carried out.

pub mod alarm;
