//! What shows how a run went: what it offered, the checks that were run, what was found, and the commits that
//! were looked at.

use crate::domain::{
    CODE_COMMENT, Effect, EffectActor, EffectResult, Finding, RUN_CHECK, Run, Value,
};

/// So much is told; the latest.
pub(super) const PIECES_MAX: usize = 200;

/// Of a run, and of what stands in its writes, a list of `{ kind, name, state?, text?, url?, bytes?, write? }`;
/// `kind` is `said`, `commit`, `check` or `finding`, `write` the number of the effect in which it stands.
pub(super) fn of(run: &Run, of_writes: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut pieces = said(run);
    pieces.extend(commits(run));
    pieces.extend(of_writes);
    let begin = pieces.len().saturating_sub(PIECES_MAX);
    pieces.split_off(begin)
}

/// What a write shows, if it is the work's own and is there for that.
pub(super) fn of_effect(effect: &Effect) -> Option<Value> {
    if effect.actor != EffectActor::Agent {
        return None;
    }
    match effect.tool.as_str() {
        RUN_CHECK => Some(check(effect)),
        CODE_COMMENT => finding(effect),
        _ => None,
    }
}

fn said(run: &Run) -> Vec<Value> {
    let pieces = run.evidence.iter().map(|piece| {
        let is_address = piece.starts_with("https://") || piece.starts_with("http://");
        let url = (is_address && !piece.contains(char::is_whitespace)).then_some(piece.as_str());
        let mut said = vec![("kind", Value::from("said")), ("name", piece.as_str().into())];
        said.extend(url.map(|url| ("url", url.into())));
        Value::map(said)
    });
    pieces.collect()
}

fn commits(run: &Run) -> Vec<Value> {
    let Some(looked) = &run.looked_at else { return Vec::new() };
    let commit = |name: &String, text: &str| {
        Value::map([("kind", "commit"), ("name", name.as_str()), ("text", text)])
    };
    let own = looked.commit.as_ref().map(|name| commit(name, "what it looked at"));
    let pushed = looked.pushed.as_ref().filter(|pushed| looked.commit.as_ref() != Some(*pushed));
    own.into_iter()
        .chain(pushed.map(|name| commit(name, "the branch where it comes from")))
        .collect()
}

/// A check, and what it came to, as far as that is known.
fn check(effect: &Effect) -> Value {
    let name = effect.args.get("name").and_then(Value::as_text).unwrap_or_default();
    let mut told = vec![
        ("kind", Value::from("check")),
        ("name", name.into()),
        ("write", effect.mark.seq.into()),
    ];
    let state = match &effect.result {
        Some(EffectResult::Done { after, .. }) => {
            let text = |name: &str| after.get(name).and_then(Value::as_text).unwrap_or_default();
            let bytes = i64::try_from(text("output").len()).unwrap_or(i64::MAX);
            told.extend([("text", text("status").into()), ("bytes", bytes.into())]);
            let passed = after.get("passed").and_then(Value::as_bool);
            if passed == Some(true) { "passed" } else { "failed" }
        }
        Some(EffectResult::Failed { message, .. }) => {
            told.push(("text", message.as_str().into()));
            "failed"
        }
        Some(EffectResult::Unknown) => "unknown",
        Some(EffectResult::Recorded | EffectResult::Proposed { .. }) => "recorded",
        None => "under_way",
    };
    told.push(("state", state.into()));
    Value::map(told)
}

/// A finding that was noted, or settled.
fn finding(effect: &Effect) -> Option<Value> {
    let Some(EffectResult::Done { after, .. }) = &effect.result else { return None };
    let after = serde_json::to_value(after).ok()?;
    let finding: Finding = serde_json::from_value(after).ok()?;
    let state =
        if finding.is_settled { "settled".to_owned() } else { finding.severity.to_string() };
    Some(Value::map([
        ("kind", Value::from("finding")),
        ("name", finding.to_string().into()),
        ("state", state.into()),
        ("text", finding.text.into()),
        ("write", effect.mark.seq.into()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entity, Mark, RunId, from_millis};

    fn effect(seq: u32, tool: &str, after: Value) -> Effect {
        Effect {
            mark: Mark { run: RunId::new("r-1"), seq },
            actor: EffectActor::Agent,
            tool: tool.to_owned(),
            bulk: None,
            args: Value::map([("name", "tests")]),
            claimed: None,
            fence: None,
            intended: from_millis(0),
            result: Some(EffectResult::Done {
                entity: Entity::Outside,
                before: Value::Null,
                after,
                inverse: None,
                at: from_millis(0),
            }),
        }
    }

    #[test]
    fn checks_say_how_they_ended_and_findings_where_they_are() {
        let failed = Value::map([
            ("passed", Value::from(false)),
            ("status", "exit status: 1".into()),
            ("output", "two tests failed".into()),
        ]);
        let told = check(&effect(2, RUN_CHECK, failed));
        for (name, expected) in [
            ("kind", Value::from("check")),
            ("name", "tests".into()),
            ("state", "failed".into()),
            ("text", "exit status: 1".into()),
            ("bytes", 16_i64.into()),
            ("write", 2_i64.into()),
        ] {
            assert_eq!(told.get(name), Some(&expected), "{name}");
        }
        let noted = Value::map([
            ("number", Value::from(1_i64)),
            ("file", "src/lib.rs".into()),
            ("line", 7_i64.into()),
            ("severity", "major".into()),
            ("text", "it may panic".into()),
        ]);
        let told = finding(&effect(3, CODE_COMMENT, noted)).unwrap();
        assert_eq!(told.get("name"), Some(&"src/lib.rs:7".into()));
        assert_eq!(told.get("state"), Some(&"major".into()));
        assert_eq!(finding(&effect(4, CODE_COMMENT, Value::Null)), None);
    }
}
