//! The verbs, and the guard before every write.

mod arbitrary;
mod around;
mod beyond_leantime;
mod bulk;
mod calendar;
mod goals;
mod guard;
mod guard_order;
mod in_step;
mod leantime_arguments;
mod leantime_faults;
mod ledger;
mod limits;
mod membership;
mod offered;
mod planning;
mod repeats;
mod scope;
mod sprints;
mod table;
mod taken_back;
mod time;
mod tokens;
mod upstream;
mod verbs;
