//! One suite per port, run for every adapter; and what people write, with its faults.

mod board;
mod config;
mod ledger;
mod playbooks;
mod store;
