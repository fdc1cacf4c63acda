//! The daemon in process, through the doors that the program itself uses.

mod one_task;
mod playbooks;
