//! Races for tasks, judged over the whole history of calls: many daemons and threads on one store,
//! many processes at one daemon's socket, lost answers, and planted faults that the judge must find.

mod crowd;
mod history;
mod nonces;
mod one_store;
mod planted;
mod socket;
mod stores;
