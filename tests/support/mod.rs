//! What tests share.

pub mod backend;
pub mod rota;
