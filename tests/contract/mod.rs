//! One suite per port, run for every adapter.

mod ledger;
mod store;
mod board;
//! One suite per port, run for every adapter; and what people write, with its faults.

mod config;
mod playbooks;
