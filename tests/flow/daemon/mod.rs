//! The daemon in process, through the doors that the program itself uses.

mod assistants;
mod assistants_asking;
mod assistants_ending;
mod board_words;
mod broken_off;
mod budgets;
mod clock;
mod crashes;
mod ending;
mod events;
mod evidence;
mod independence;
mod leases;
mod many_failing;
mod modes;
mod one_task;
mod people_win;
mod questions;
mod reports;
mod retries;
mod review_loop;
mod review_pushes;
mod review_queue;
mod reviews;
mod rubric;
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
