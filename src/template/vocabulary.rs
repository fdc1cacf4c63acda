//! The names that templates may speak of, by what the template is for. Whoever renders a template
//! supplies exactly these names (a name without a value is `null`, never missing).
//!
//! | name | what it holds |
//! |---|---|
//! | `task` | the task as `rota task show --json` prints it, plus `project_name`, `status_label`, `status_kind`, `assignee_name`, `author_name`, `url`, and `comments`: a list of `{ author, text, at, is_agent }`, oldest first |
//! | `project` | `{ id, name, details, statuses }` |
//! | `agent` | the name of the board user that the playbook acts as |
//! | `playbook` | `{ name, description }` |
//! | `run` | `{ id, attempt, attempts_max, playbook }` |
//! | `claim` | `{ fence }`, or `null` |
//! | `outcomes` | the names by which the work may end, a list of texts |
//! | `outcome` | `{ name, summary }`, or `null` |
//! | `earlier` | what earlier attempts changed: a list of `{ attempt, tool, entity, summary }` |
//! | `previous` | how the attempt before ended: `{ state, reason, detail, summary }`, or `null` |
//! | `review` | `{ round, rounds_max, findings }`, or `null` |
//! | `question` | `{ text, answer, answered_by }`, or `null` |
//! | `ended` | why a claim ended without a result: `{ reason, text, done, left, minutes, attempts }`, or `null` |
//! | `missing` | the gates that a task did not pass, in words: a list of texts |
//! | `gathered` | the results of `[gather.NAME]`, by name |
//! | `item` | the item that a step's `each` is at |
//! | `set` | the values of `--set k=v` |
//! | `tasks` | the tasks of an occurrence: a list of `task`s, each with `outcome` and `state` |
//! | `problems` | what went wrong in an occurrence: a list of `{ task, reason, detail }` |
//! | `now`, `zone` | this instant (RFC 3339) and the playbook's zone |
//! | the names of [`INSTANTS`] | beginnings and ends of days in the playbook's zone (RFC 3339) |

use crate::domain::{Timestamp, Value};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// Beginnings and ends of days in the playbook's zone; an end is the next day's beginning.
pub const INSTANTS: [&str; 8] = [
    "yesterday_start",
    "yesterday_end",
    "today_start",
    "today_end",
    "tomorrow_end",
    "in_3_days",
    "in_7_days",
    "a_week_ago",
];

/// What every template may speak of.
pub const COMMON: [&str; 5] = ["agent", "playbook", "now", "zone", "set"];

/// What prompts, comments and questions may speak of, besides [`COMMON`].
pub const WORK: [&str; 14] = [
    "task", "project", "run", "claim", "outcomes", "outcome", "earlier", "previous", "review",
    "question", "ended", "missing", "gathered", "item",
];

/// What reports may speak of, besides [`COMMON`].
pub const REPORT: [&str; 4] = ["tasks", "problems", "gathered", "run"];

/// What `args`, `each` and `once` may speak of, besides [`COMMON`], [`WORK`] and [`INSTANTS`].
pub const ARGS: [&str; 2] = ["all_project_ids", "project_ids"];

/// The instants of [`INSTANTS`], seen from an instant in a zone.
pub fn instants(now: Timestamp, zone: Tz) -> BTreeMap<String, Value> {
    todo!()
}
