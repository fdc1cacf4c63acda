//! What happened in a span of time, told to people: collected from the board, filled into
//! templates, and fitted to what each channel can take.
//!
//! ```text
//! Board ──collect──▶ Digest ──to_value──▶ one model ──dress──▶ text │ Markdown │ mrkdwn
//!                                         (any other notice starts here)        │
//!                                                                          blocks::fit
//!                                                                               ▼
//!                                                              Body { text, markdown, slack }
//! ```
//!
//! There is one model and there are three formats; a team edits the templates, never the JSON.
//! Counts are taken from the lines they count. Nothing is cut silently: a long text says how many
//! characters were left out and links to the rest, and of a section that grows beyond
//! [`LINES_MAX`] the first lines are told and the others counted. No model is asked anything.

pub mod blocks;
mod collect;
mod day;
mod dress;
mod links;
mod model;
mod render;
mod report;
mod section;
mod spent;

pub use collect::{CollectError, DigestRequest, collect};
pub use day::CivilDay;
pub use dress::{Format, TEXT_CHARS_MAX, dress, one_line};
pub use links::{Evidence, LinkBase, LinkFault};
pub use model::{AgentWork, Digest, Line, Work};
pub use render::{DIGEST_TEMPLATE, render};
pub use report::{Fill, ReportError, report, slack_of_text};
pub use section::{LINES_MAX, Section, SectionKind};
pub use spent::{Costs, Spent, SpentOf};
