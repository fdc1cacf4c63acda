//! One suite per port, run for every adapter.

mod ledger;
mod store;
//! One suite per port, run for every adapter; and laws that rules keep, held against oracles.

mod cron;
mod given;
mod occurrences;
mod plan;
mod reconcile;
mod notify;
mod board;
//! One suite per port, run for every adapter; and what people write, with its faults.

mod board;
mod config;
mod playbooks;
mod ledger;
mod playbooks;
mod store;
