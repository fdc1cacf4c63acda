//! The verbs, and the guard before every write.

mod arbitrary;
mod around;
mod bulk;
mod calendar;
mod goals;
mod guard;
mod guard_order;
mod in_step;
mod leantime_arguments;
mod ledger;
mod limits;
mod offered;
mod planning;
mod repeats;
mod scope;
mod sprints;
mod table;
mod taken_back;
mod time;
mod upstream;
mod verbs;
