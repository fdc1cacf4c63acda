//! One suite per port, run for every adapter.

mod ledger;
mod store;
mod board;
