//! Rota puts AI agents to work beside people on a team's project board.

pub mod board;
pub mod clock;
pub mod cron;
pub mod daemon;
pub mod domain;
pub mod model;
pub mod notify;
pub mod schedule;
pub mod store;
pub mod tools;
