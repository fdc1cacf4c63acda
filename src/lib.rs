//! Rota puts AI agents to work beside people on a team's project board.

pub mod app;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod cron;
pub mod daemon;
pub mod digest;
pub mod domain;
pub mod expression;
pub mod fault;
pub mod ledger;
pub mod model;
pub mod notify;
pub mod playbook;
pub mod runner;
pub mod schedule;
pub mod store;
pub mod template;
pub mod tools;
