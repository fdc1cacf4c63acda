//! The daemon in process: manual clock, strict ports, scripted model.

mod alarm;
mod digest;
mod calls;
mod commands;
mod control_socket;
mod rendering;
mod runner;
mod tools;
