//! Playbooks and scripts that several suites share.

/// A playbook with replacements, each of which has to be found.
#[track_caller]
pub fn changed(playbook: &str, replace: &[(&str, &str)]) -> String {
    let mut text = playbook.to_owned();
    for (from, to) in replace {
        assert!(text.contains(from), "the playbook has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

/// Takes tasks tagged AI-Suitable, only by hand.
pub const WORKER: &str = r#"
agent = "AI-Worker"

[select]
status = "kind:new"
tags = { any = ["AI-Suitable"] }
assignee = "none"
limit = 50

[claim]
status = "kind:in_progress"
add_tags = ["AI-Agent"]

[work]
runner = "model"
model = "worker"
prompt = "work.md.hbs"
tools = ["getTicket", "addComment", "addSubtask", "finish"]

[outcome.ready]
status = "Ready for Review"
comment = "hand-over.md.hbs"
assign = "{{task.author}}"

[outcome.blocked]
ask = "question.md.hbs"
answer_within = "3d"

[scope]
max = { addComment = 3 }

[limits]
attempts = 3
backoff = "10s..1m"
concurrent = 50

[report]
template = "stale"
to = ["stdout"]

[on_failure]
to = ["slack:ops"]
pause_after = 5
"#;

/// Looks at the task, comments, adds a subtask, is done.
pub const DILIGENT: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "getTicket", args = { id = "${task_id}" } }]
usage = { tokens_in = 900, tokens_out = 40, cost_micros = 3000 }

[[conversation.turn]]
call = [
  { tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I found it." } },
  { tool = "addSubtask", args = { parentTicket = "${task_id}", headline = "Write the test" } },
]

[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

/// Comments, then the model cannot be used any more.
pub const BREAKS_OFF: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I try." } }]

[[conversation.turn]]
error = "refused"
"#;

/// Asks a person, and is done with the answer.
pub const ASKS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "blocked", summary = "Which colour is it to be?" } }]

[[conversation.turn]]
expect = "A person has answered."
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

/// The same, and fails unless it hears this.
pub fn asks_to_hear(answer: &str) -> String {
    changed(ASKS, &[("A person has answered.", answer)])
}

/// Is done at once.
pub const QUICK: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;
