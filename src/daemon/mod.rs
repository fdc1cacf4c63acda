//! The loop: what wakes, what is decided upon, what is carried out.

pub mod alarm;
