//! Proofs about time: no planned instant is lost, doubled or out of order, in any zone, whatever
//! happens to the daemon or to its clocks.

mod absence;
mod crowd;
mod golden;
mod oracle;
mod scene;
mod set_clocks;
mod three;
mod year;
mod zones;
