//! The verbs, and the guard before every write.

mod arbitrary;
mod around;
mod bulk;
mod calendar;
mod goals;
mod guard;
mod ledger;
mod limits;
mod planning;
mod repeats;
mod scope;
mod table;
mod time;
mod upstream;
mod verbs;
