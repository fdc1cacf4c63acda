//! The real binary, real sockets, real signals.
