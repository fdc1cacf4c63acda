//! One suite per port, run for every adapter; and what people write, with its faults.

mod config;
mod playbooks;
