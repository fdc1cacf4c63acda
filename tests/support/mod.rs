//! What tests share.

pub mod fixed_board;
pub mod strict_fill;
