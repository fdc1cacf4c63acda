//! The daemon in process, through the doors that the program itself uses.

mod assistants;
mod assistants_asking;
mod assistants_ending;
mod board_words;
mod broken_off;
mod budgets;
mod busy_agents;
mod clock;
mod costs;
mod crashes;
mod ending;
mod events;
mod evidence;
mod leases;
mod modes;
mod one_task;
mod people_win;
mod progress;
mod questions;
mod reports;
mod retries;
mod review_queue;
mod reviews;
mod staged;
mod state_lost;
mod succession;
mod switches;
mod taken_once;
mod time_spent;
mod two_daemons;
mod undo;
mod wrong_clocks;

use crate::support::playbooks;
