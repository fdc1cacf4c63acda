//! What people type.
pub mod failure;
pub mod house;
