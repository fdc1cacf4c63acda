//! The one integration binary: contracts of the ports, flows of the daemon in process, the real
//! binary from end to end, and the laws of the house.
#![cfg(test)]

mod contract;
mod end_to_end;
mod fault;
mod flow;
mod hostile;
mod mcp;
mod pages;
mod races;
mod simulation;
mod support;
mod tidy;
mod time;
mod web;
