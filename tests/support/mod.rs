//! What tests share.

pub mod fixed_board;
pub mod strict_fill;
pub mod backend;
pub mod rota;
pub mod house;
