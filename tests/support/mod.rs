//! What tests share.

pub mod house;
