//! The real program dies at every step it has a name for, and starts again: what is found then in
//! ledger and board is held against the crash table of the claim protocol.

mod crash_table;
mod left_over;
mod orphans;
mod scene;
