//! The real binary, real sockets, real signals.

mod command_line;
mod demo;
mod processes;
