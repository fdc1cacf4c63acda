//! Temporary.
#![cfg(test)]
mod hostile;
mod support;
