//! What tests share.

pub mod backend;
pub mod fixed_board;
pub mod house;
pub mod rota;
pub mod strict_fill;
