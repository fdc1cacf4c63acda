//! How far a long run is, told in one comment on its task: made once, edited after that at a bounded
//! rate, found again by later attempts and after a crash. Whoever deletes it has heard enough.

use super::announce::may_show;
use super::earlier;
use super::worker::Worker;
use crate::domain::{
    Activity, CommentId, Effect, EffectActor, EffectResult, Entity, Mode, Reason, Run, RunState,
    Value,
};
use crate::ledger::LogLine;
use crate::runner::WorkEnd;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often it is told; what is shorter than that is not told at all.
const EVERY: Duration = Duration::from_mins(1);
/// So much of a line is told.
const LINE_CHARS_MAX: usize = 200;
/// How such a comment begins: by this, and by whose it is, it is found again.
const BEGIN: &str = "Progress of **";

/// Whether a change is about such a comment: it is no news to anybody's playbooks.
pub(super) fn is_about(row: &Activity) -> bool {
    let is_ours = matches!(row.entity, Entity::Comment(_)) && row.mark.is_some();
    is_ours && row.after.as_text().is_some_and(|text| text.starts_with(BEGIN))
}

/// What a run showed last, and how much before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    steps: u64,
    last: String,
}

/// Where the transcript tells what it writes.
#[derive(Debug)]
pub(super) struct Teller(watch::Sender<Shown>);

/// Where that is read.
pub(super) type Heard = watch::Receiver<Shown>;

/// Both ends.
pub(super) fn channel() -> (Teller, Heard) {
    let (teller, heard) = watch::channel(Shown::default());
    (Teller(teller), heard)
}

impl Teller {
    /// A line of the transcript: turns, calls, plans, whatever a program says.
    pub(super) fn tell(&self, line: &LogLine) {
        self.0.send_modify(|shown| {
            shown.steps += 1;
            shown.last = quoted(&line.text);
        });
    }
}

/// What is known of the comment.
enum Comment {
    /// None was made.
    None,
    /// This one.
    Is(CommentId),
    /// It may be there, or not: a second one is not made.
    Unknown,
}

impl Worker {
    /// Tells how far the run is until nobody is left who shows anything.
    pub(super) async fn tell_progress(&self, mut heard: Heard) {
        if !self.tells_progress() {
            return;
        }
        let mut until = Instant::now() + EVERY;
        loop {
            let over = async { while heard.changed().await.is_ok() {} };
            if tokio::time::timeout_at(until, over).await.is_ok() {
                return;
            }
            until = Instant::now() + EVERY;
            let shown = heard.borrow_and_update().clone();
            if shown.steps > 0 && !self.say_progress(&self.progress_text(&shown), true).await {
                return;
            }
        }
    }

    /// The last word of the comment, if there is one: how it ended.
    pub(super) async fn end_progress(&self, end: &WorkEnd) {
        if !self.tells_progress() || self.lost() || end.state == RunState::ClaimLost {
            return;
        }
        let attempt = self.run.attempt;
        let (agent, run, state) = (&self.job.playbook.agent, &self.run.id, end.state);
        let text = format!(
            "{BEGIN}{agent}**: attempt {attempt} (run `{run}`) ended: {state}, {}.",
            end.reason.text()
        );
        self.say_progress(&text, false).await;
    }

    fn tells_progress(&self) -> bool {
        let rules = self.job.playbook.claim.as_ref();
        let is_shown = self.held.as_ref().is_some_and(|held| held.claim.wrote.status.is_some());
        is_shown
            && rules.is_some_and(|rules| rules.progress)
            && self.job.playbook.mode != Mode::Shadow
    }

    fn progress_text(&self, shown: &Shown) -> String {
        let playbook = &self.job.playbook;
        let minutes = self.parts.clock.boot().saturating_sub(self.began).as_secs() / 60;
        format!(
            "{BEGIN}{}**: attempt {} of {} (run `{}`), {minutes} min, {} steps so far.\n\n> {}",
            playbook.agent,
            self.run.attempt,
            playbook.limits.attempts,
            self.run.id,
            shown.steps,
            shown.last
        )
    }

    /// Writes the comment; false: there is no use in trying again.
    async fn say_progress(&self, text: &str, makes: bool) -> bool {
        let found = match self.progress_comment().await {
            Ok(found) => found,
            Err(detail) => {
                tracing::debug!(run = %self.run.id, %detail, "how far it is is not told now");
                return true;
            }
        };
        let args = match found {
            Comment::Is(id) => Value::map([("id", Value::from(id.0)), ("text", text.into())]),
            Comment::None if makes => {
                let Ok(Some(task)) = self.read_task().await else { return true };
                return match self.comment(&task, text.to_owned()).await {
                    Ok(_) => true,
                    Err(error) => self.is_worth_telling_again(&error),
                };
            }
            Comment::None | Comment::Unknown => return false,
        };
        match self.as_rota("editComment", args, None).await {
            Ok(_) => true,
            Err(error) => self.is_worth_telling_again(&error),
        }
    }

    fn is_worth_telling_again(&self, error: &crate::tools::ToolError) -> bool {
        tracing::debug!(run = %self.run.id, %error, "how far it is was not told");
        // Somebody deleted it, or this board lets nothing be changed that was written.
        let is_over = matches!(
            error.reason(),
            Reason::NotFound | Reason::Unsupported | Reason::OutOfScope | Reason::RoleTooLow
        );
        !is_over && !self.lost()
    }

    /// The comment of this run, or of the attempts before it.
    async fn progress_comment(&self) -> Result<Comment, String> {
        let unread = |error: crate::ledger::LedgerError| error.to_string();
        let before = earlier::runs_before(&self.parts, &self.run).await.map_err(unread)?;
        for run in std::iter::once(&self.run).chain(&before) {
            let effects = self.parts.ledger.effects(&run.id).await.map_err(unread)?;
            if let Some(made) = effects.iter().find(|effect| makes_progress(effect)) {
                return Ok(match &made.result {
                    Some(EffectResult::Done { entity: Entity::Comment(id), .. }) => {
                        Comment::Is(*id)
                    }
                    _ => Comment::Unknown,
                });
            }
        }
        Ok(Comment::None)
    }
}

/// Whether an effect made the comment, or may have.
fn makes_progress(effect: &Effect) -> bool {
    let text = effect.args.get("text").and_then(Value::as_text).unwrap_or_default();
    let is_ours = effect.actor == EffectActor::Rota && effect.tool == "addComment";
    is_ours && text.starts_with(BEGIN) && may_show(effect)
}

/// One line, in bounds, that reads as what it is and not as markup.
fn quoted(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String =
        words.join(" ").chars().filter(|c| !c.is_control()).take(LINE_CHARS_MAX).collect();
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if "\\`*_[]<>#@!|".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// That a run has begun, for whoever waits for its end and may look at it meanwhile.
pub(super) fn begun(run: &Run) -> String {
    let at = run.task.map(|task| format!(" at task {task}")).unwrap_or_default();
    format!(
        "Run {0} of {1} has begun{at}. `rota runs follow {0}` follows it, `rota runs stop {0}` ends it.",
        run.id, run.playbook
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_or_a_program_says_is_told_as_one_plain_line() {
        let hostile = "done\n\n# Owner\n[click](http://x) <b>@all</b> `rm`\u{1b}[2J";
        let told = quoted(hostile);
        assert_eq!(
            told,
            "done \\# Owner \\[click\\](http://x) \\<b\\>\\@all\\</b\\> \\`rm\\`\\[2J"
        );
        assert!(quoted(&"x".repeat(10_000)).len() <= LINE_CHARS_MAX);
    }
}
