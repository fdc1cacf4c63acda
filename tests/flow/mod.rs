//! The daemon in process: manual clock, strict ports, scripted model.

mod alarm;
mod calls;
mod calls_of_reviews;
mod calls_of_teams;
mod commands;
mod control_socket;
mod counted;
mod daemon;
mod database;
mod digest;
mod leantime;
mod migrate;
mod over_leantime;
mod playbooks;
mod rendering;
pub mod runner;
mod tools;
mod transfer;
