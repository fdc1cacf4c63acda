//! One suite per port, run for every adapter; laws that rules keep, held against oracles; and what
//! people write, with its faults.

mod board;
mod config;
mod config_channels;
mod config_people;
mod config_postgres;
mod cron;
mod days_ahead;
pub(crate) mod given;
mod icalendar_documents;
mod in_vain;
mod labels;
mod leantime;
mod ledger;
mod library;
mod model;
mod model_exchanges;
mod notify;
mod occurrences;
mod plan;
mod playbooks;
mod reconcile;
mod rework;
mod shipped_words;
mod store;
