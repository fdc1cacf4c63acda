//! What tests share.

pub mod asked;
pub mod backend;
pub mod bench;
pub mod daemon;
pub mod delegate;
pub mod den;
pub mod fixed_board;
pub mod foreign;
pub mod gates;
pub mod house;
pub mod http_double;
pub mod ingredients;
pub mod leantime;
pub mod leantime_server;
pub mod mailbox;
pub mod model_double;
pub mod obedient;
pub mod office;
pub mod playbooks;
pub mod rota;
pub mod sample_board;
pub mod slack;
pub mod smtp;
pub mod stepped;
pub mod strict_fill;
pub mod watched;
