//! Rota puts AI agents to work beside people on a team's project board. This page is its
//! architecture: how to find your way in the code, and what must stay true.
//!
//! # Bird's-eye view
//!
//! > A closed list of events goes in at one place; a **pure** function decides; a list of actions
//! > comes out and is carried out elsewhere.
//!
//! ```text
//!   clock ─┐                          ┌─▶ worker ─▶ runner ─▶ tools ─▶ board
//!   board ─┼─▶ Event ─▶ dispatcher ─▶ look ─▶ plan ─▶ actions
//!  people ─┘      ▲   (Snapshot)  (pure)    └─▶ ledger ─▶ outbox ─▶ courier ─▶ channels
//!                 └────────────── WorkDone ──────────┘
//! ```
//! Playbooks (TOML) say when an agent wakes, which tasks it takes, how it works and what it may
//! change. Everything but [`schedule::plan`](mod@schedule) is a room around that table: what decides
//! has no clock, no I/O and no chance of its own, so it is tested by tables and asked *why*.
//!
//! # The path of one task
//!
//! Read these files in this order and you know the daemon:
//!
//! 1. `daemon/dispatcher.rs`: an event comes in; the dispatcher alone changes what is believed.
//! 2. `daemon/tick.rs`, `daemon/look.rs`: people win first, instants are accounted for, and
//!    playbooks, board and ledger become one snapshot.
//! 3. `schedule/plan.rs` (`occurrence`, `eligibility`, `dispatch`): what is started, skipped, refused.
//! 4. `ledger/claims.rs`: the claim is reserved, durably, before anything is visible.
//! 5. `daemon/worker.rs`, `daemon/announce.rs`: assignee, status, tags and comment are written and
//!    read back; the prompt is composed.
//! 6. `runner/` (`model_loop`, `command`, `acp`, `steps`): the work, whose every effect passes
//!    `tools/guard.rs`: scope, budget, trust window, fence, journal.
//! 7. `daemon/handoff.rs`, `daemon/telling.rs`: the outcome on the board, the reviewer, the notices.
//! 8. The claim is released; the next tick looks again. `daemon/recovery.rs` does what a crash left.
//!
//! # Code map
//!
//! A room uses itself and rooms on lower floors; rooms on one floor do not know each other. A test
//! (`tests/tidy/floors.rs`) holds this law.
//!
//! | floor | room | what it is for | what stays true |
//! |---|---|---|---|
//! | 11 | `main.rs` | starts [`cli`] over [`app::App`] | |
//! | 10 | [`cli`] | what people type: one command, one tool call, one answer | only `cli/output.rs` prints; text from outside is made harmless first; exit codes are decided in one place |
//! | 9 | [`app`] | the composition root | the only room that opens adapters |
//! | 8 | [`web`] | the HTTP listener, health, the pages for people, `/mcp`, REST with its events, webhooks, Slack | answers at once; health says nothing that needs a token; pages and REST are made of what tools answered, and do what tools do |
//! | 8 | [`config`] | `rota.toml`, every fault at its place | a secret is in no fault, log or `Debug` |
//! | 7 | [`daemon`] | the loop, workers, courier, recovery, the control socket | only the dispatcher changes beliefs; any step may happen twice |
//! | 7 | [`mcp`] | the tools for clients from outside: a pipe, streamable HTTP, who is let in; the bridge to other servers | nobody is listed what they may not call; every answer has a text that stands alone |
//! | 6 | [`runner`] | whatever can work: steps, a program, an ACP agent, a model in a loop; run tokens; a task's workspace and its sandbox | `runner/process.rs` alone starts processes; nothing of a run survives it; a sandbox that cannot be kept starts nothing |
//! | 5 | [`tools`] | every verb, once, with schema, role, effect and inverse | every write of a run passes the guard and is journaled before it is done |
//! | 4 | [`digest`] | what happened in a span, for plain text, Markdown and Slack | counts equal the lines below them |
//! | 3 | [`schedule`] | pure decisions: instants, eligibility, retries, plan | no I/O, no clock; every planned instant ends as ran or skipped |
//! | 3 | [`playbook`] | TOML to playbook, with every fault; the library | the last good version stays in force |
//! | 3 | [`ledger`] | claims, occurrences, runs, effects, outbox, audit: all policy over the store | one live claim a task; fences grow; durable first |
//! | 3 | [`reckon`] | what the facts of a board come to: a standup, a planned week, a project's health, pace, load | pure; a plan never overlaps, leaves the hours or hides what does not fit |
//! | 3 | [`transfer`] | what is on one board, copied onto another | each item once, however often it is broken off; what people changed stays |
//! | 2 | [`board`] | where tasks live: SQLite, and an overlay for rehearsals | an older fence is refused inside the write's transaction; a stamped write happens once |
//! | 2 | [`store`] | ordered keys with compare-and-swap: sled, memory, a PostgreSQL that daemons share | durable when `commit` returns |
//! | 2 | [`model`] | one exchange with a language model: Chat Completions, Messages, a script | a key is in no error, log or `Debug`; a broken call is never carried out |
//! | 2 | [`notify`] | one message to a channel | telling people never fails a run |
//! | 2 | [`upstream`] | other MCP servers whose tools playbooks may use | what a server says is bounded and hostile; what became of a call is never guessed |
//! | 1 | [`expression`], [`cron`], [`template`], [`fault`], [`clock`], [`crash`], [`sse`], [`instruments`] | each names its crate for everyone; events of a stream; what is counted | time and chance are injected |
//! | 1 | [`postgres`] | connections to a shared PostgreSQL: hosts, the one that takes writes, versions of tables | a password is in no error, log or `Debug`; off this machine TLS is checked |
//! | 1 | [`domain`] | the words | std, serde and chrono only |
//!
//! Everything is bounded: queues, output, turns, attempts, answers. What comes from the board, a
//! model or a file is hostile. An error is an enum beside its trait; `app` and `cli` turn errors into
//! an [`app::failure::Failure`], which has an exit code.
//!
//! # Glossary
//!
//! - **board**: where the team's tasks live. **task**: a unit of work on it. **status** is a task's,
//!   **state** a run's.
//! - **playbook**: what a team writes; **trigger**: what wakes it; **occurrence**: one waking, which
//!   *ran* or was *skipped*; **armed**: a person accepted its triggers and rights.
//! - **run**: one attempt at one task (or none) by one playbook. **outcome**: how the work says that it
//!   ended. **hand-off**: who looks at it next; **hand-back**: the task as it was before.
//! - **claim**: a lease on a task. **holder**: daemon, life and run. **fence**: a number that grows with
//!   every claim of a task. **trust window**: how long a worker may believe its own lease. **parked**:
//!   waiting for a person's answer, without a lease.
//! - **workspace**: a task's folder, in which programs work. **hook**: a command around its life. **check**:
//!   a command that an agent may have run by name.
//! - **tool**: a verb. **effect**: one write, journaled as *intent* and *result*, with before, after and
//!   inverse. **stamp**: who writes, by which run and number, under which fence.
//! - **ledger**: what the daemon must not forget. **outbox**: messages that wait. **notice**: one of
//!   them. **refusal**, **reason**: why something was not done ([`domain::Reason`]).
//! - **tick**: one look at everything. **reconcile**: people's changes against ours. **rehearsal**: the
//!   same daemon over an overlay board and a store in memory. **house**: what stands behind a command.

pub mod app;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod cron;
pub mod daemon;
pub mod digest;
pub mod domain;
pub mod expression;
pub mod fault;
pub mod instruments;
pub mod ledger;
pub mod mcp;
pub mod model;
pub mod notify;
pub mod playbook;
pub mod postgres;
pub mod reckon;
pub mod runner;
pub mod schedule;
pub mod sse;
pub mod store;
pub mod template;
pub mod tools;
pub mod transfer;
pub mod upstream;
pub mod web;
