//! The digest of a fixed board, from collecting to the payloads that are posted.

mod collect;
mod golden;
mod hostile;
mod team;
