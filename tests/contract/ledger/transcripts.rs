//! What is told of a run's transcript: some of its lines, and what the work was told, wherever that stands.

use super::{Fixture, a_run, at, ledger, on_both_stores};
use rota::domain::RunId;
use rota::ledger::{Ledger, LogLine, PROMPT};
use rota::tools::desk::{LinesAsk, RecordAsk, Records, RunRecord, WritesAsk};

on_both_stores! {
    what_the_work_was_told_is_found_wherever_it_stands
    of_very_many_prompts_the_first_are_found
}

fn line(kind: &str, text: impl Into<String>) -> LogLine {
    LogLine::new(at(1), kind, text)
}

async fn say(ledger: &Ledger, run: &RunId, lines: usize) {
    let lines: Vec<_> = (0..lines).map(|n| line("work", format!("it says {n}"))).collect();
    ledger.log(run, &lines).await.unwrap();
}

async fn what_the_work_was_told_is_found_wherever_it_stands(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let run = a_run("r-1", "p", 0);
    ledger.start_run(&run, "source").await.unwrap();
    // A program talks while it starts, and more than once before it can be told anything.
    say(&ledger, &run.id, 100).await;
    ledger.log(&run.id, &[line(PROMPT, "Go on."), line("work", "I do.")]).await.unwrap();
    say(&ledger, &run.id, 150).await;
    ledger.log(&run.id, &[line(PROMPT, "And finish.")]).await.unwrap();
    say(&ledger, &run.id, 20).await;
    let found = ledger.prompts(&run.id).await.unwrap();
    assert_eq!(found.iter().map(|line| line.number).collect::<Vec<_>>(), [101, 253]);
    // Before them, between them, around one of them, after them.
    for (most, before) in
        [(9, Some(50)), (9, Some(200)), (9, Some(105)), (300, None), (9, None), (1, Some(1))]
    {
        let told = shown(&ledger, &run.id, LinesAsk { most, before }).await;
        assert_eq!(told.prompt, "Go on.\nAnd finish.", "{most} {before:?}");
        assert_eq!(told.lines, 273);
        let mut kinds = told.transcript.iter().filter_map(|line| line.get("kind")?.as_text());
        assert!(kinds.all(|kind| kind == "work"), "{most} {before:?}");
    }
    let other = RunId::new("r-other");
    assert!(ledger.prompts(&other).await.unwrap().is_empty());
}

async fn of_very_many_prompts_the_first_are_found(f: Fixture) {
    let (ledger, run) = (ledger(&f, "d/l"), RunId::new("r-1"));
    for round in 0..40 {
        ledger.log(&run, &[line(PROMPT, format!("round {round}"))]).await.unwrap();
    }
    let found = ledger.prompts(&run).await.unwrap();
    let texts: Vec<&str> = found.iter().map(|line| line.line.text.as_str()).collect();
    let first: Vec<String> = (0..16).map(|round| format!("round {round}")).collect();
    assert_eq!(texts, first);
}

async fn shown(ledger: &Ledger, run: &RunId, lines: LinesAsk) -> RunRecord {
    let records: &dyn Records = ledger;
    let ask = RecordAsk { lines, writes: WritesAsk { most: 3, before: None } };
    records.run(run, ask).await.unwrap().unwrap()
}
