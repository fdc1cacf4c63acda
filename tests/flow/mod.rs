//! The daemon in process: manual clock, strict ports, scripted model.

mod runner;
mod tools;
