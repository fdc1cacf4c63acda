//! The real binary, real sockets, real signals.

mod agents;
mod audit;
mod board;
mod code_review;
mod code_tools;
mod command_line;
mod demo;
mod following;
mod leantime;
mod many_failing;
mod migrate;
mod models;
mod operating;
mod processes;
mod run_tokens;
mod running;
mod serving;
mod setting_up;
mod shared_store;
pub mod team;
#[cfg(feature = "otlp")]
mod telemetry;
mod transfer;
mod workspaces;
