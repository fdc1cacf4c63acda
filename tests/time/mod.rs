//! Proofs about time: no planned instant is lost, doubled or out of order, in any zone, whatever
//! happens to the daemon or to its clocks.

mod oracle;
mod zones;
