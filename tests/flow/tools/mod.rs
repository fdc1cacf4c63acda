//! The verbs, and the guard before every write.

mod around;
mod guard;
mod ledger;
mod scope;
mod table;
mod time;
mod verbs;
