//! A run's page: turns, calls, writes, evidence and cost in the order in which they came; of a long run a part.

use super::somebody;
use crate::mcp::{team, token};
use crate::support::rota::Rota;
use crate::web::{Api, SAYS};
use rota::clock::{Clock, SystemClock, SystemEntropy};
use rota::domain::{
    BoardName, DaemonId, Effect, EffectActor, EffectResult, Entity, LifeId, Mark, RunId, TaskId,
    Value, from_millis, parse_money,
};
use rota::ledger::{Ledger, LedgerOptions, LogLine};
use rota::store::open::{StoreOptions, open as open_store};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// What somebody planted in a task's headline.
const PLANTED: &str = "Mend <script>alert(1)</script>";

/// Takes a task, by a model.
pub const WORKER: &str = r#"
description = "Works at a task."
agent = "AI-Worker"
[select]
status = "kind:new"
[claim]
[work]
runner = "model"
model = "worker"
prompt = "do.md.hbs"
tools = ["getTicket", "editTask", "finish"]
[outcome.ready]
status = "Done"
done_by = "agent"
[limits]
attempts = 1
"#;

/// Two turns that cost 1.75 EUR together.
const SCRIPT: &str = r#"
[[conversation]]
[[conversation.turn]]
say = "I look at the task first."
call = [{ tool = "getTicket", args = { id = "${task_id}" } }]
usage = { tokens_in = 900, tokens_cached = 300, tokens_out = 40, cost_micros = 1_250_004 }
[[conversation.turn]]
say = "I give it another name."
call = [
  { tool = "editTask", args = { id = "${task_id}", params = { headline = "Mended", password = "hunter2hunter2" } } },
  { tool = "editTask", args = { id = "${task_id}", params = { headline = "Mended" } } },
  { tool = "finish", args = { outcome = "ready", summary = "It is mended.", evidence = ["all tests pass", "https://ci.example/7", "<script>alert(2)</script>"] } },
]
usage = { tokens_in = 1_000, tokens_cached = 0, tokens_out = 60, cost_micros = 499_996 }
"#;

/// A team whose agent works by a script.
pub fn house() -> Rota {
    let rota = team();
    rota.write(
        "rota.toml",
        "timezone = \"Europe/Berlin\"\ncurrency = \"EUR\"\n[people]\nme = \"Ada\"\n\
         [models.worker]\nkind = \"scripted\"\nscript = \"script.toml\"\n",
    );
    rota.write("script.toml", SCRIPT);
    rota.write("templates/do.md.hbs", "task_id: {{task.id}}\n");
    rota.write("agents/worker.toml", WORKER);
    rota
}

/// Has the agent work at a task; the run.
pub fn work_at(rota: &Rota, task: &str) -> String {
    let ran = rota.run(["run-once", "worker", "--task", task, "--json"]).ok().json();
    assert_eq!(ran["state"], "succeeded", "{ran:#}");
    ran["run"].as_str().unwrap().to_owned()
}

/// The ledger, while nobody else has it open.
pub fn ledger(rota: &Rota) -> Ledger {
    let life = LifeId::new("a test");
    let clock: Arc<dyn Clock> = SystemClock::shared();
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("a test"),
        life: life.clone(),
        margin: Duration::from_secs(1),
        epoch: 0,
    };
    let store =
        open_store(&StoreOptions::default(), &rota.state(), &life, Arc::clone(&clock)).unwrap();
    Ledger::new(store, clock, Arc::new(SystemEntropy), options)
}

/// What stands between these, each time.
fn between<'a>(text: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin).skip(1).filter_map(move |rest| Some(rest.split_once(end)?.0))
}

/// That these stand in a text, in this order.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let place = text[from..].find(part);
        from += place.unwrap_or_else(|| panic!("{part:?} after {:?} in {text}", &text[..from]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_shown_turn_by_turn_with_calls_writes_costs_and_evidence() {
    let rota = house();
    rota.run(["task", "add", PLANTED, "--project", "Website"]).ok();
    let run = work_at(&rota, "2");
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let reply = ada.get(&format!("/runs/{run}")).await;
    // A script that stood there as one would be no page.
    let page = reply.page();
    in_order(
        page.text(),
        &[
            "Timeline",
            "Turn 1",
            "900 tokens in (300 of them read before), 40 out",
            "cost 1.250004",
            "I look at the task first.",
            "getTicket",
            "Arguments",
            "\"id\": 2",
            "Result, ",
            PLANTED,
            "Turn 2",
            "cost 0.499996",
            "I give it another name.",
            "editTask",
            "failed",
            "\"password\": \"[redacted]\"",
            "editTask",
            "\"headline\": \"Mended\"",
            // With the call that made it.
            "headline: Mend <script>alert(1)</script> → Mended",
            "finish",
            "\"outcome\": \"ready\"",
            "the work ended",
            "status_label: ",
            "→ Done",
            "Evidence",
            "all tests pass",
            "https://ci.example/7",
            "<script>alert(2)</script>",
        ],
    );
    assert!(!reply.text.contains("hunter2"), "{}", reply.text);
    assert!(page.links().contains(&"https://ci.example/7"), "{:?}", page.links());
    // What the turns cost is what the run cost.
    let money = |text: &str| parse_money(text, "EUR").unwrap();
    let turns: Vec<u64> = between(&reply.text, "<span>cost ", "<").map(money).collect();
    assert_eq!(turns, [1_250_004, 499_996]);
    let sum: Vec<u64> = between(&reply.text, "<dt>Cost</dt><dd>", "<").map(money).collect();
    assert_eq!(sum, [turns.iter().sum::<u64>()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_rest_a_run_is_the_same_and_as_much_of_its_transcript_as_is_asked_for() {
    let rota = house();
    let run = work_at(&rota, "1");
    let secret = token(&rota, &["rest"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let told = api.get(&format!("/api/v1/runs/{run}")).await.ok();
    assert_eq!(told["run"]["usage"]["cost_micros"], 1_750_000, "{told:#}");
    let pieces = told["evidence"].as_array().unwrap().iter().map(|piece| &piece["name"]);
    let pieces: Vec<_> = pieces.collect();
    assert_eq!(pieces, ["all tests pass", "https://ci.example/7", "<script>alert(2)</script>"]);
    assert_eq!(told["evidence"][1]["url"], "https://ci.example/7");
    // A list says how runs went, not all that shows it.
    let listed = api.get("/api/v1/runs").await.ok();
    assert_eq!(listed["items"][0]["id"], run.as_str(), "{listed:#}");
    assert!(listed["items"][0].get("evidence").is_none(), "{listed:#}");
    let why = api.tool("whyNot", json!({ "subject": told["run"]["task"] })).await.ok();
    assert_eq!(why["runs"][0]["id"], run.as_str(), "{why:#}");
    assert!(why["runs"][0].get("evidence").is_none(), "{why:#}");

    // Each call says which writes it made.
    let lines = told["transcript"].as_array().unwrap();
    let calls: Vec<_> = lines.iter().filter(|line| line["kind"] == "tool").collect();
    assert_eq!(calls.len(), 4, "{lines:#?}");
    let own = |effect: &&Json| effect["tool"] == "editTask" && effect["actor"] == "agent";
    let effect = told["effects"].as_array().unwrap().iter().find(own).unwrap();
    let seq = &effect["mark"]["seq"];
    assert_eq!(calls[2]["data"]["writes"], json!([seq, seq]), "{:#}", calls[2]);
    assert!(calls[0]["data"].get("writes").is_none(), "{:#}", calls[0]);

    let before = calls[1]["number"].as_u64().unwrap();
    let asked = json!({ "run": run, "lines": 2, "before": before });
    let some = api.tool("showRun", asked).await.ok();
    let numbers = some["transcript"].as_array().unwrap().iter();
    let numbers: Vec<_> = numbers.map(|line| line["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [before - 2, before - 1], "{some:#}");
    assert_eq!((&some["earlier"], &some["lines"]), (&json!(before - 3), &told["lines"]));
    // What it was told is there, whichever lines are.
    assert_eq!(some["prompt"], told["prompt"]);
    assert!(told["prompt"].as_str().unwrap().contains("task_id: 1"), "{told:#}");
}

/// The lines of so many turns with three calls each, all as long as they may be.
fn lines(turns: i64) -> Vec<LogLine> {
    let now = SystemClock::shared().wall().timestamp_millis();
    let hostile = "<\"&'>\u{1f4a5}".repeat(40);
    let mut lines = Vec::new();
    for turn in 1..=turns {
        let at = |place: i64| from_millis(now + turn * 10 + place);
        let usage = Value::map([("tokens_in", 10_i64), ("cost_micros", 3)]);
        let said = Value::map([("turn", Value::Int(turn)), ("usage", usage)]);
        lines.push(LogLine { data: said, ..LogLine::new(at(0), "model", hostile.clone()) });
        for place in 1..=3 {
            let call = Value::map([
                ("turn", Value::Int(turn)),
                ("tool", "getTicket".into()),
                ("args", Value::map([("id", hostile.as_str())])),
                ("is_error", false.into()),
                ("result", hostile.as_str().into()),
                ("result_bytes", 360_i64.into()),
            ]);
            let line = LogLine::new(at(place), "tool", "getTicket: done");
            lines.push(LogLine { data: call, ..line });
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_five_thousand_lines_is_shown_part_by_part_and_nothing_is_left_out() {
    const TURNS: i64 = 1_250;
    const BYTES_MAX: usize = 384 * 1024;
    let rota = team();
    rota.run(["person", "add", "AI-Worker", "--agent", "--role", "editor"]).ok();
    rota.write("agents/says.toml", SAYS);
    let ran = rota.run(["run-once", "says", "--json"]).ok().json();
    let run = ran["run"].as_str().unwrap();
    {
        let ledger = ledger(&rota);
        ledger.log(&RunId::new(run), &lines(TURNS)).await.unwrap();
    }
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let (mut place, mut turns, mut pages) = (Some(format!("/runs/{run}")), Vec::new(), 0);
    let mut calls = 0;
    while let Some(path) = place {
        let reply = ada.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert!(reply.text.len() < BYTES_MAX, "{path}: {} bytes", reply.text.len());
        let page = reply.page();
        page.says("are on this page");
        let begun = between(&reply.text, "<h3>Turn ", "</h3>");
        turns.extend(begun.filter_map(|turn| turn.parse::<i64>().ok()));
        calls += reply.text.matches("<li class=\"tool\">").count();
        let earlier = page.links().into_iter().find(|link| link.contains("?before="));
        place = earlier.map(|link| link.replace("#timeline", ""));
        pages += 1;
    }
    turns.sort_unstable();
    assert_eq!(turns, (1..=TURNS).collect::<Vec<_>>(), "each turn, once");
    assert_eq!(calls, 3 * usize::try_from(TURNS).unwrap(), "each call, once");
    assert!((25..200).contains(&pages), "{pages} pages");
    // What is no number is no place.
    let reply = ada.get(&format!("/runs/{run}?before=%3Cscript%3E")).await;
    assert_eq!(reply.status, 200);
    reply.page().says("Earlier turns");
}

/// Many writes, each with a long text before and after.
async fn write_much(ledger: &Ledger, run: &str, numbers: impl Iterator<Item = u32>) {
    let (long, now) = ("<\"&'>\u{1f4a5}".repeat(7_000), SystemClock::shared().wall());
    for seq in numbers {
        let mark = Mark { run: RunId::new(run), seq };
        let args = Value::map([("text", format!("{seq} {long}"))]);
        let effect = Effect {
            mark: mark.clone(),
            actor: EffectActor::Agent,
            tool: "editTask".to_owned(),
            bulk: None,
            args: args.clone(),
            claimed: None,
            fence: None,
            intended: now,
            result: None,
        };
        ledger.intend(&effect, None).await.unwrap();
        let (before, entity) = (args.clone(), Entity::Task(TaskId(1)));
        let done = EffectResult::Done { entity, before, after: args, inverse: None, at: now };
        ledger.conclude(&mark, done, Vec::new()).await.unwrap();
    }
}

/// The numbers of the writes that are told.
fn written(told: &Json) -> Vec<u64> {
    let effects = told["effects"].as_array().unwrap().iter();
    effects.map(|effect| effect["mark"]["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_many_large_writes_is_shown_and_told_part_by_part() {
    const ALL: std::ops::Range<u32> = 1_000..1_130;
    let rota = team();
    rota.run(["person", "add", "AI-Worker", "--agent", "--role", "editor"]).ok();
    rota.write("agents/says.toml", SAYS);
    let ran = rota.run(["run-once", "says", "--json"]).ok().json();
    let run = ran["run"].as_str().unwrap();
    {
        let ledger = ledger(&rota);
        write_much(&ledger, run, ALL).await;
    }
    let secret = token(&rota, &["rest"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let reply = ada.get(&format!("/runs/{run}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(reply.text.len() < 512 * 1024, "{} bytes", reply.text.len());
    let page = reply.page();
    page.says("write 1129");
    page.says("earlier writes are not shown");
    page.says(&format!("rota runs show {run} --effects-before "));
    page.says("See what undoing would do");

    let api = Api::of(&serving, Some(&secret));
    let told = api.get(&format!("/api/v1/runs/{run}")).await.ok();
    assert!(told.to_string().len() < 4 * 1024 * 1024, "{}", told.to_string().len());
    assert_eq!(written(&told).last(), Some(&1_129));
    assert!(told["earlier_writes"].as_u64().unwrap() > 0, "{}", told["writes"]);
    let text = told["effects"].as_array().unwrap().last().unwrap()["args"]["text"].as_str();
    assert!(text.unwrap().ends_with(" more bytes]"), "{text:?}");
    // From the latest to the first, each once.
    let (mut before, mut all) = (None, Vec::new());
    loop {
        let asked = json!({ "run": run, "lines": 1, "effects": 50, "effectsBefore": before.unwrap_or(u32::MAX) });
        let some = api.tool("showRun", asked).await.ok();
        let numbers = written(&some);
        assert!((1..=50).contains(&numbers.len()), "{numbers:?}");
        before = Some(u32::try_from(numbers[0]).unwrap());
        all.splice(0..0, numbers);
        if some["earlier_writes"] == 0 {
            break;
        }
    }
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
    assert_eq!(Some(all.len()), told["writes"].as_u64().and_then(|all| all.try_into().ok()));
    assert!(all.ends_with(&ALL.map(u64::from).collect::<Vec<_>>()), "{all:?}");

    let shown = rota.run(["runs", "show", run]).ok().out;
    assert!(
        shown.contains(&format!("not shown: rota runs show {run} --effects-before ")),
        "{shown}"
    );
    assert!(shown.len() < 1024 * 1024, "{} bytes", shown.len());
    let words = ["runs", "show", run, "--effects", "3", "--effects-before", "1010", "--json"];
    assert_eq!(written(&rota.run(words).ok().json()), [1_007, 1_008, 1_009]);
}
