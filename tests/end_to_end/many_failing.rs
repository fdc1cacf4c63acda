//! Two hundred runs at once, half of them programs and half of them models behind a server, that fail in
//! a dozen ways each: afterwards the daemon holds nothing that it did not hold before.

use super::team::{json, team};
use crate::fault::evidence::open_board;
use crate::support::http_double::{Asked, Double, Reply, Then};
use crate::support::rota::{Rota, Serving, until};
use rota::domain::{NewTask, PersonId, ProjectId, Stamp, TaskEdit};
use serde_json::{Value, json as value};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

const TASKS: usize = 200;
/// The first of them; one is there before.
const FIRST: usize = 2;
/// So many of each sort do well afterwards.
const AGAIN: usize = 12;
/// From this number on a model has nothing that it could fail at.
const MENDED: usize = 1_000;

const CONFIG: &str = r#"
timezone = "Europe/Berlin"
arm = "auto"
[daemon]
tick = "1s"
slots = 256
[models.worker]
kind = "openai"
model = "m"
url = "http://ADDRESS"
request_time = "3s"
idle_time = "2s"
price = { input = "3.00 USD", output = "15.00 USD" }
"#;

const PLAYBOOK: &str = r#"
agent = "AI-Worker"
[on]
cron = "0 0 1 1 *"
[select]
status = "kind:new"
tags = { any = ["TAG"] }
limit = 100
[claim]
[work]
WORK
tools = ["getTicket", "addComment", "finish"]
[outcome.ready]
status = "Ready for Review"
[limits]
attempts = 1
concurrent = 100
idle = "6s"
time = "12s"
tokens = 10_000
tokens_per_day = 1_000_000
[on_failure]
pause_after = 1000
"#;

/// What a program does, by its task's number; those of programs are even.
const PROGRAM: &str = r#"
cp "$1" "$2/config-$ROTA_TASK"
[ -e "$2/mended" ] && exec echo '{"outcome": "ready", "summary": "Done."}'
case $((ROTA_TASK / 2 % 12)) in
0) exit 7 ;;
1) kill -9 $$ ;;
2) exec sleep 600 ;;
3) trap '' TERM; while :; do sleep 0.2; done ;;
4) setsid sleep 600 & exit 1 ;;
5) head -c 3000000 /dev/zero | tr '\0' x ;;
6) echo '{"outcome": "ready", ' ;;
7) echo '{"outcome": "great", "summary": "Done."}' ;;
8) exec <&- >&- 2>&-; sleep 600 ;;
9) while :; do echo alive; sleep 0.2; done ;;
10) kill -SEGV $$ ;;
11) (trap '' TERM HUP; setsid sh -c 'sleep 600 & sleep 600' &) ; exec sleep 600 ;;
esac
"#;

/// How a run ends whose program does that: state and reason.
const PROGRAMS_END: [(&str, &str); 12] = [
    ("failed", "command_failed"),
    ("failed", "command_failed"),
    ("stalled", "stalled"),
    ("stalled", "stalled"),
    ("failed", "command_failed"),
    ("failed", "no_outcome"),
    ("failed", "no_outcome"),
    ("failed", "unknown_outcome"),
    ("stalled", "stalled"),
    ("timed_out", "timed_out"),
    ("failed", "command_failed"),
    ("stalled", "stalled"),
];

/// How a run ends whose model's server does what [`answer`] says.
const MODELS_END: [(&str, &str); 12] = [
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "model_failed"),
    ("failed", "repeated_failure"),
    ("failed", "budget_spent"),
    ("failed", "repeated_failure"),
];
/// Who is asked to wait a second again and again.
const ASKED_TO_WAIT: usize = 1;

/// What a model's server does, by its task's number.
fn answer(asked: &Asked) -> Reply {
    let error = |status: u16| {
        Reply::text(status, "application/json", r#"{"error": {"message": "scripted"}}"#)
    };
    let begin = "data: {\"choices\": [{\"delta\": {\"content\": \"I\"}}]}\n\n";
    let call = |tool: &str, args: &str, tokens: u64| {
        let call = value!({"index": 0, "id": "c", "function": {"name": tool, "arguments": args}});
        let usage = value!({"prompt_tokens": tokens, "completion_tokens": 10});
        let chunk = value!({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}], "usage": usage});
        Reply::stream([format!("data: {chunk}\n\ndata: [DONE]\n\n")])
    };
    let number = way(asked);
    match number % 12 {
        _ if number >= MENDED => call("finish", r#"{"outcome": "ready", "summary": "Done."}"#, 10),
        0 => error(503),
        ASKED_TO_WAIT => error(429).with("Retry-After", "1"),
        2 => error(529),
        3 => error(401),
        4 => error(400),
        5 => Reply::stream([begin]).then(Then::HangUp),
        6 => Reply::stream([begin]).then(Then::Hold),
        7 => Reply::text(200, "text/event-stream", "").then(Then::Hold),
        8 => Reply::stream(["data: {no json\n\n"]),
        9 => call("addComment", "{\"module\": ", 10),
        10 => call("getTicket", "{\"id\": 1}", 6_000),
        _ => call("finish", r#"{"outcome": "great", "summary": "Done."}"#, 10),
    }
}

/// The number of the task that a prompt is about.
fn way(asked: &Asked) -> usize {
    let (_, rest) = asked.body.split_once("Model task ").unwrap_or(("", "0"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn scene(double: &Double) -> Rota {
    let rota = team();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    rota.write("rota.toml", &CONFIG.replace("ADDRESS", &double.address.to_string()));
    let program = rota.write("fail.sh", PROGRAM);
    let command = format!(
        "runner = \"command\"\ncommand = [\"sh\", \"{}\", \"{{{{mcp_config}}}}\", \"{}\"]",
        program.display(),
        rota.path().display()
    );
    let model = "runner = \"model\"\nmodel = \"worker\"\nprompt = \"work.md.hbs\"";
    for (tag, work) in [("program", command.as_str()), ("model", model)] {
        let text = PLAYBOOK.replace("TAG", tag).replace("WORK", work);
        rota.write(&format!("agents/{tag}.toml"), &text);
    }
    rota
}

/// Adds tasks without a command for each.
fn add(rota: &Rota, tasks: &[(String, &str)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let board = open_board(&rota.state()).await;
        for (headline, tag) in tasks {
            let new =
                NewTask::new(ProjectId(1), headline).with(TaskEdit::AddTag((*tag).to_owned()));
            board.add_task(&Stamp::by(PersonId(1)), new).await.unwrap();
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
}

/// The processes that have this folder in their environment, but the daemon.
fn children(folder: &Path, daemon: i32) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != daemon)
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let text = String::from_utf8_lossy(&environment).into_owned();
            text.contains("ROTA_RUN=") && text.contains(&folder)
        })
        .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default())
        .collect()
}

fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Has both playbooks work until there are so many runs and all have ended; how many were at work at once.
fn work(rota: &Rota, runs: usize) -> usize {
    let work = ["program", "model"].map(|name| {
        let mut command = rota.command(["run-once", name, "--json"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    let mut most = 0;
    until("all of them have ended", || {
        let listed = all_runs(rota);
        let at_work = listed.iter().filter(|run| run["state"] == "running").count();
        most = most.max(at_work);
        (listed.len() >= runs && at_work == 0).then_some(())
    });
    for mut child in work {
        child.wait().unwrap();
    }
    most
}

fn all_runs(rota: &Rota) -> Vec<Value> {
    let listed = json(rota, &["runs", "list", "-n", "500"]);
    listed["items"].as_array().unwrap().clone()
}

fn task_of(run: &Value) -> usize {
    usize::try_from(run["task"].as_u64().unwrap()).unwrap()
}

fn nothing_is_left(rota: &Rota, serving: &Serving, descriptors_before: usize) {
    // A run is over before its claim is settled.
    until("no claim is left", || {
        let claims = json(rota, &["claims", "list"]);
        (claims["items"] == value!([])).then_some(())
    });
    assert_eq!(children(rota.path(), serving.pid()), Vec::<String>::new());
    let status = json(rota, &["status"]);
    assert_eq!(status["runs"], value!([]), "{status}");
    let private = rota.state().join("private");
    let left = std::fs::read_dir(private).map_or(0, Iterator::count);
    assert_eq!(left, 0, "configurations with run tokens");
    until("as many descriptors as before", || {
        // A few for connections that may still be kept open.
        (descriptors(serving.pid()) <= descriptors_before + 12).then_some(())
    });
}

/// How a run may end beside its own way where two hundred share two cores with other work: it had not begun
/// to fail when its time was over, waited too long for its board or its model, or lost its lease meanwhile.
/// Whoever tries again may also be in the middle of one more try when its time is over.
fn is_for_want_of_time(ended: (&str, &str)) -> bool {
    let reasons = ["board_unavailable", "attempts_used_up", "model_failed"];
    matches!(ended.0, "timed_out" | "stalled") || ended.0 == "failed" && reasons.contains(&ended.1)
}

/// Each run ended as its way to fail has it, and used no more than one exchange too many.
fn ended_by_their_ways(runs: &[Value]) {
    let (mut seen, mut exactly) = (BTreeMap::new(), BTreeMap::new());
    for run in runs {
        let number = task_of(run);
        let is_program = number.is_multiple_of(2);
        let (way, expected) = if is_program {
            let way = number / 2 % 12;
            (way, PROGRAMS_END[way])
        } else {
            let way = (number - FIRST) / 2 % 12;
            (way, MODELS_END[way])
        };
        *seen.entry((is_program, way)).or_insert(0_usize) += 1;
        let ended = (run["state"].as_str().unwrap(), run["reason"].as_str().unwrap());
        let is_late = ended != expected && is_for_want_of_time(ended);
        assert!(is_late || ended == expected, "expected {expected:?}: {run:#}");
        *exactly.entry((is_program, way)).or_insert(0_usize) += usize::from(!is_late);
        let usage = &run["usage"];
        let used = usage["tokens_in"].as_u64().unwrap() + usage["tokens_out"].as_u64().unwrap();
        assert!(used <= 10_000 + 6_010, "{run:#}");
    }
    // Each way is seen as it is meant at least once. Who is asked to wait may never be told anything else.
    exactly.remove(&(false, ASKED_TO_WAIT));
    assert!(exactly.values().all(|times| *times > 0), "{exactly:?}");
    assert!(seen.len() == 24 && seen.values().all(|times| *times >= 8), "{seen:?}");
}

/// What failed is mended: as many tasks again are done, by programs and by models.
fn the_next_ones_do_well(rota: &Rota) {
    rota.write("mended", "");
    let added: Vec<_> = (0..2 * AGAIN)
        .map(|number| {
            let (tag, what) =
                if number % 2 == 0 { ("program", "Program") } else { ("model", "Model") };
            let headline = format!("{what} task {}", MENDED + number);
            let mut command = rota.command(["task", "add", &headline, "--tag", tag]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in added {
        assert!(child.wait().unwrap().success());
    }
    work(rota, TASKS + 2 * AGAIN);
    let runs = all_runs(rota);
    let new: Vec<&Value> = runs.iter().filter(|run| task_of(run) >= FIRST + TASKS).collect();
    assert_eq!(new.len(), 2 * AGAIN);
    for run in new {
        assert_eq!(
            (&run["state"], &run["outcome"]),
            (&"succeeded".into(), &"ready".into()),
            "{run:#}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn two_hundred_runs_that_fail_at_once_leave_no_slot_claim_token_or_child_behind() {
    let double = Double::start_other(|_| None, answer);
    let rota = scene(&double);
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        let (tag, what) = if number % 2 == 0 { ("program", "Program") } else { ("model", "Model") };
        tasks.push((format!("{what} task {}", number / 2), tag));
    }
    add(&rota, &tasks);
    let serving = rota.serve(Vec::<&str>::new());
    rota.run(["status"]).ok();
    let before = descriptors(serving.pid());
    let most = work(&rota, TASKS);
    assert!(most > 50, "{most} at once");
    nothing_is_left(&rota, &serving, before);
    ended_by_their_ways(&all_runs(&rota));
    assert_eq!(tokens_are_refused(&rota), TASKS / 2);
    the_next_ones_do_well(&rota);
    nothing_is_left(&rota, &serving, before);
    assert_eq!(tokens_are_refused(&rota), TASKS / 2 + AGAIN);
    assert_eq!(serving.stop(), 0);
}

/// How many run tokens there were; none of them counts any more.
fn tokens_are_refused(rota: &Rota) -> usize {
    let mut tokens = 0;
    for entry in std::fs::read_dir(rota.path()).unwrap().flatten() {
        if !entry.file_name().to_string_lossy().starts_with("config-") {
            continue;
        }
        let config: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        let url = config["mcpServers"]["rota"]["url"].as_str().unwrap();
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
        tokens += 1;
        is_refused(
            address,
            config["mcpServers"]["rota"]["headers"]["Authorization"].as_str().unwrap(),
        );
    }
    tokens
}

/// Nobody is there, or whoever is does not take the token.
fn is_refused(address: &str, bearer: &str) {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return };
    let body = r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}"#;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    // After some that failed, others are not even looked at.
    let is_refused = ["HTTP/1.1 401", "HTTP/1.1 429"].iter().any(|head| answer.starts_with(head));
    assert!(is_refused, "{answer}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_gibibyte_of_output_is_read_to_its_end_and_not_kept() {
    let rota = team();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    rota.write("rota.toml", "timezone = \"Europe/Berlin\"\narm = \"auto\"\n");
    // Half of it in lines, half of it without an end of line, and something at either stream.
    let flood = "yes $(printf '%01000d' 7) | head -c 536870912; head -c 536870912 /dev/zero | tr '\\\\0' x >&2; \
                 echo; echo '{\\\"outcome\\\": \\\"ready\\\", \\\"summary\\\": \\\"All said.\\\"}'";
    let work = format!("runner = \"command\"\ncommand = [\"sh\", \"-c\", \"{flood}\"]");
    let text = PLAYBOOK.replace("[\"TAG\"]", "[\"AI-Suitable\"]").replace("WORK", &work);
    let text =
        text.replace("idle = \"6s\"", "idle = \"30s\"").replace("time = \"12s\"", "time = \"10m\"");
    rota.write("agents/flood.toml", &text);
    let serving = rota.serve(Vec::<&str>::new());
    let memory = |name: &str| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", serving.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = memory("VmRSS:");
    let report = json(&rota, &["run-once", "flood"]);
    assert_eq!(report["state"], "succeeded", "{report}");
    let most = memory("VmHWM:");
    assert!(most < before + 64 * 1024, "{before} KiB before, {most} KiB at most");
    let stored = size(&rota.state());
    assert!(stored < 128 * 1024 * 1024, "{stored} bytes of state");
    assert_eq!(serving.stop(), 0);
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
