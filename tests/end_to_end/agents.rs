//! Agents of the Agent Client Protocol, each played by a program that is stricter than a real one:
//! it ends with status 9 when the client breaks the protocol.

use super::team::{QUICK, content, json, team, team_with};
use crate::support::den::has_own_network;
use crate::support::rota::{Rota, until};
use serde_json::{Value, json as value};
use std::path::PathBuf;

/// An example that was built beside the tests.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let debug = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = debug.join("examples").join(name);
    assert!(path.exists(), "{} is not built", path.display());
    path
}

/// A team whose playbook `agent` starts the fake agent with these words.
fn team_of(words: &[&str], more: &str) -> Rota {
    let rota = team();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    let program = example("fake_acp_agent").display().to_string();
    let command: Vec<&str> =
        std::iter::once(program.as_str()).chain(words.iter().copied()).collect();
    let limits = if more.contains("[limits]") { "" } else { "[limits]\nattempts = 1\n" };
    let (work, rest) = more
        .split_once('[')
        .map_or((more, String::new()), |(work, rest)| (work, format!("[{rest}")));
    rota.write(
        "agents/agent.toml",
        &format!(
            r#"
description = "An agent works."
agent = "AI-Worker"
[select]
status = "kind:new"
[claim]
[work]
runner = "acp"
command = {}
tools = ["getTicket", "addComment", "editTask"]
{work}
[outcome.done]
status = "Ready for Review"
[outcome.blocked]
status = "Blocked"
[scope]
write = "claimed"
max = {{ addComment = 1 }}
{rest}
{limits}
"#,
            value!(command)
        ),
    );
    rota.write("rota.toml", QUICK);
    rota.run(["check"]).ok();
    rota
}

/// One run, and what is known of it afterwards.
struct Ran {
    rota: Rota,
    report: Value,
    record: Value,
}

impl Ran {
    fn of(words: &[&str], more: &str) -> Self {
        Self::at(team_of(words, more))
    }

    fn at(rota: Rota) -> Self {
        let ran = rota.run(["run-once", "agent", "--task", "1", "--json"]);
        let report = ran.json();
        let Some(run) = report["run"].as_str() else { panic!("{ran:#?}") };
        let record = json(&rota, &["runs", "show", run]);
        Self { rota, report, record }
    }

    fn transcript(&self) -> Vec<String> {
        let lines = self.record["transcript"].as_array().unwrap();
        lines
            .iter()
            .map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned))
            .collect()
    }

    #[track_caller]
    fn says(&self, text: &str) -> &Self {
        let transcript = self.transcript();
        assert!(
            transcript.iter().any(|line| line.contains(text)),
            "no {text:?} in {transcript:#?}\n{:#}",
            self.report
        );
        self
    }

    #[track_caller]
    fn ended(&self, state: &str, reason: &str) -> &Self {
        let ended =
            (self.report["tasks"][0]["state"].as_str(), self.report["tasks"][0]["reason"].as_str());
        let told = format!("{:#}\n{:#?}", self.report, self.transcript());
        assert_eq!(ended, (Some(state), Some(reason)), "{told}");
        self
    }
}

#[test]
fn an_agent_works_by_its_runs_tools_and_ends_by_finish() {
    let call = r#"addComment={"module":"ticket","entityId":1,"text":"Halfway."}"#;
    let ran = Ran::of(&["--call", call], "");
    ran.ended("succeeded", "handed_over");
    ran.says("turn 1: ").says("characters").says("tools: addComment editTask finish getTicket");
    ran.says("addComment: done").says("finish: done");
    assert_eq!(ran.report["tasks"][0]["outcome"], "done");
    let task = json(&ran.rota, &["task", "show", "1"]);
    assert_eq!(task["status_label"], "Ready for Review", "{task:#}");
    assert!(task.to_string().contains("Halfway."), "{task:#}");
    let effects = ran.report["effects"].as_array().unwrap();
    assert!(effects.iter().any(|effect| effect["tool"] == "addComment"), "{effects:#?}");
    assert!(!ran.rota.state().join("private").join(ran.report["run"].as_str().unwrap()).exists());
}

#[test]
fn an_agent_that_knows_only_programs_is_led_to_the_tools_by_the_bridge() {
    let call = r#"addComment={"module":"ticket","entityId":1,"text":"By a pipe."}"#;
    let ran = Ran::of(&["--stdio", "--call", call], "");
    ran.ended("succeeded", "handed_over").says("addComment: done");
}

#[test]
fn what_is_outside_of_the_scope_not_listed_or_too_often_is_refused_and_the_run_goes_on() {
    let ran = Ran::at({
        let comment = r#"addComment={"module":"ticket","entityId":1,"text":"Again."}"#;
        let rota = team_of(
            &[
                "--call",
                r#"editTask={"id":2,"params":{"headline":"Mine now"}}"#,
                "--call",
                r#"deleteTask={"id":1}"#,
                "--call",
                r#"stopAll={"reason":"x"}"#,
                "--call",
                comment,
                "--call",
                comment,
            ],
            "",
        );
        rota.run(["task", "add", "Another"]).ok();
        rota
    });
    ran.ended("succeeded", "handed_over");
    ran.says("editTask: refused (out_of_scope)");
    ran.says("deleteTask: refused (tool_not_listed)").says("stopAll: refused (tool_not_listed)");
    ran.says("addComment: done").says("addComment: refused (scope_max)");
    assert_eq!(json(&ran.rota, &["task", "show", "2"])["headline"], "Another");
}

#[test]
fn an_agent_that_forgets_to_finish_is_reminded_once_in_its_session() {
    Ran::of(&["--forget", "1"], "").ended("succeeded", "handed_over").says("turn 2: ");
    let ran = Ran::of(&["--forget", "9"], "");
    ran.ended("failed", "no_outcome").says("turn 2: ");
    assert!(!ran.transcript().iter().any(|line| line.contains("turn 3")), "{:?}", ran.transcript());
    let ran = Ran::of(&["--forget", "9"], "[limits]\nattempts = 1\nturns = 1\n");
    ran.ended("failed", "budget_spent");
}

#[test]
fn what_is_no_message_or_not_offered_does_no_harm() {
    let ran = Ran::of(&["--garbage"], "");
    ran.ended("succeeded", "handed_over");
    ran.says("a line that is no message was passed over");
    ran.says("a line of more than 10485760 bytes was passed over");
    ran.says("an update that is not known was passed over");
}

#[test]
fn leave_is_given_by_the_playbooks_policy() {
    let asks = [
        r#"{"title":"npm test","kind":"execute","rawInput":{"command":"npm test"}}"#,
        r#"{"title":"rm","kind":"execute","rawInput":{"command":"rm -rf /"}}"#,
        r#"{"title":"mcp__rota__addComment","kind":"other"}"#,
        r#"{"title":"Edit","kind":"edit","locations":[{"path":"/etc/passwd"}]}"#,
    ];
    let words: Vec<&str> = asks.iter().flat_map(|ask| ["--ask", ask]).collect();
    let checks = "[workspace]\nsandbox = \"none\"\n[checks.tests]\ncommand = [\"npm\", \"test\"]\n";
    for (permissions, expected) in [
        ("playbook", ["allow_once", "reject_once", "allow_once", "reject_once"]),
        ("deny", ["reject_once"; 4]),
        ("allow", ["allow_once"; 4]),
    ] {
        let ran = Ran::of(&words, &format!("permissions = \"{permissions}\"\n{checks}"));
        ran.ended("succeeded", "handed_over");
        for (place, outcome) in expected.iter().enumerate() {
            ran.says(&format!("leave {place}: {outcome}"));
        }
    }
}

#[test]
fn an_agent_that_takes_too_long_or_is_silent_is_cancelled_and_ended() {
    let ran = Ran::of(&["--hang"], "[limits]\nattempts = 1\ntime = \"1s\"\n");
    ran.ended("timed_out", "timed_out").says("cancelled");
    let ran = Ran::of(&["--silent"], "[limits]\nattempts = 1\nidle = \"1s\"\n");
    ran.ended("stalled", "stalled").says("cancelled");
}

#[test]
fn an_agent_deaf_to_cancel_is_ended_all_the_same() {
    let ran = Ran::of(&["--deaf"], "[limits]\nattempts = 1\ntime = \"1s\"\n");
    ran.ended("timed_out", "timed_out").says("waiting");
}

#[test]
fn an_agent_that_dies_refuses_or_is_not_logged_in_says_why() {
    for (words, reason, detail) in [
        (&["--die"][..], "command_failed", "dying"),
        (&["--stop", "refusal"], "model_failed", "refused to go on"),
        (&["--stop", "max_tokens"], "model_failed", "model's tokens"),
        (&["--login"], "command_failed", "log in"),
        (&["--old"], "command_failed", "version 1"),
    ] {
        let ran = Ran::of(words, "");
        ran.ended("failed", reason);
        assert!(ran.record.to_string().contains(detail), "{words:?}: {:#}", ran.record);
    }
}

#[test]
fn an_agent_that_reads_a_key_from_its_environment_is_told_to() {
    Ran::of(&["--key"], "").ended("succeeded", "handed_over");
}

#[test]
fn what_a_session_costs_ends_it_when_it_is_too_much() {
    let ran = Ran::of(&["--cost", "3.5"], "[limits]\nattempts = 1\ncost = \"2.00 USD\"\n");
    ran.ended("failed", "budget_spent").says("cancelled");
    assert_eq!(ran.report["usage"]["cost"], 3.5, "{:#}", ran.report);
}

#[test]
fn the_token_is_in_no_argument_no_transcript_no_log_and_no_state() {
    let ran = Ran::of(&["--leak", "--argv", "argv"], "");
    ran.ended("succeeded", "handed_over").says("my token is [run token]");
    let arguments = ran.rota.read_bytes("state/work/argv");
    assert!(!arguments.is_empty() && !holds(&arguments), "{}", String::from_utf8_lossy(&arguments));
    for (name, content) in content(ran.rota.path()) {
        assert!(!holds(&content.unwrap_or_default()), "{name} holds it");
    }
    assert!(!holds(format!("{:?}{:?}", ran.report, ran.record).as_bytes()));
}

#[test]
fn what_a_program_prints_of_its_keys_is_nowhere_to_be_read() {
    const OURS: &str = "correct-horse-battery";
    const THEIRS: &str = "sk-ant-api03-Zm9vYmFyYmF6cXV4";
    let program = r#"
agent = "AI-Worker"
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["sh", "leak.sh"]
env = ["OUR_API_KEY"]
[outcome.done]
comment = "hand-over.md.hbs"
"#;
    let rota = team_with("leak", program).with_env("OUR_API_KEY", OURS);
    let said = value!({ "outcome": "done", "summary": format!("with $OUR_API_KEY and {THEIRS}") });
    let said = said.to_string().replace('"', "\\\"");
    let script = format!(
        "echo \"key $OUR_API_KEY, token {THEIRS}; commit 1f0c5d2e9b7a4c3d8e6f\"\necho \"{said}\"\n"
    );
    rota.write("state/work/leak.sh", &script);
    let report = rota.run(["run-once", "leak", "--json"]).ok().json();
    let run = report["tasks"][0]["run"].as_str().or(report["run"].as_str()).unwrap().to_owned();
    let record = rota.run(["runs", "show", &run, "--json"]).ok().out;
    assert!(record.contains("[OUR_API_KEY]") && record.contains("[redacted]"), "{record}");
    assert!(record.contains("commit 1f0c5d2e9b7a4c3d8e6f"), "what is no secret stays: {record}");
    std::fs::remove_file(rota.state().join("work/leak.sh")).unwrap();
    for (name, bytes) in content(&rota.state()) {
        let bytes = bytes.unwrap_or_default();
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!holds(OURS) && !holds(THEIRS), "{name} holds one");
    }
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(9).any(|window| window == b"rota_run_")
}

#[test]
fn in_the_strict_sandbox_an_agent_reaches_its_runs_tools_whichever_way_it_knows() {
    if !has_own_network() {
        return;
    }
    let programs = example("fake_acp_agent").parent().unwrap().display().to_string();
    for words in [&[][..], &["--stdio"]] {
        let rota = team_of(words, "[workspace]\nsandbox = \"strict\"\n");
        rota.write("rota.toml", &format!("{QUICK}[workspaces]\nread = [\"{programs}\"]\n"));
        let ran = Ran::at(rota);
        ran.ended("succeeded", "handed_over").says("it works in workspace").says("finish: done");
    }
}

/// An agent has asked a person in one process, and hears the answer in another: what became of it, as it is
/// told once it is over.
fn answered(words: &[&str], meanwhile: impl Fn(&Rota), ends: &str) -> Value {
    let rota = team_of(&[&["--outcome", "blocked"][..], words].concat(), "");
    let playbook = rota.read("agents/agent.toml");
    let asks = "ask = \"question.md.hbs\"";
    rota.write("agents/agent.toml", &playbook.replace("status = \"Blocked\"", asks));
    let ran = Ran::at(rota);
    ran.ended("waiting", "waiting");
    let rota = ran.rota;
    meanwhile(&rota);
    let serving = rota.serve(Vec::<&str>::new());
    rota.run(["review", "answer", "1", "--text", "Green, like the door."]).ok();
    let run = until("the agent has heard the answer", || {
        let listed = json(&rota, &["runs", "list", "--task", "1"]);
        let last = &listed["items"][0];
        let is_over = last["id"] != ran.report["run"] && last["state"] == ends;
        is_over.then(|| last["id"].as_str().unwrap().to_owned())
    });
    let record = json(&rota, &["runs", "show", &run]);
    assert_eq!(serving.stop(), 0);
    record
}

#[test]
fn an_agent_that_can_load_its_session_hears_the_answer_in_it() {
    let record = answered(&["--load", "session"], |_| {}, "succeeded");
    let transcript = record["transcript"].to_string();
    for told in [
        "the session in which it asked goes on with the answer",
        "loaded, and told: A person has answered.",
        "Green, like the door.",
        "finish: done",
    ] {
        assert!(transcript.contains(told), "no {told:?} in {record:#}");
    }
    assert!(!transcript.contains("of the past"), "{record:#}");
    // What it was never sent is not recorded as its prompt.
    let prompt = record["prompt"].as_str().unwrap();
    assert!(
        prompt.starts_with("A person has answered.") && prompt.ends_with("<<<END>>>"),
        "{prompt}"
    );
}

#[test]
fn an_agent_that_cannot_load_its_session_hears_question_and_answer_in_a_new_one() {
    let forgets = |rota: &Rota| std::fs::remove_file(rota.state().join("work/session")).unwrap();
    for (record, says) in [
        (answered(&["--load", "session"], forgets, "waiting"), "its session cannot be loaded"),
        (answered(&[], |_| {}, "waiting"), "turn 1: "),
    ] {
        let transcript = record["transcript"].to_string();
        assert!(
            transcript.contains(says) && !transcript.contains("loaded, and told"),
            "{record:#}"
        );
        let prompt = record["prompt"].as_str().unwrap();
        assert!(prompt.contains("You asked a question and a person answered"), "{prompt}");
        assert!(prompt.contains("Green, like the door."), "{prompt}");
    }
}

#[test]
fn a_rehearsal_stops_before_the_agent() {
    let rota = team_of(&["--argv", "argv"], "");
    let report = json(&rota, &["run-once", "agent", "--task", "1", "--dry-run"]);
    assert_eq!(report["tasks"][0]["reason"], "recorded_only", "{report:#}");
    assert!(!rota.state().join("work/argv").exists());
}

#[test]
fn the_recipes_are_playbooks_without_a_fault() {
    let rota = team();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/agents");
    let mut recipes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        rota.write(&format!("agents/{name}"), &std::fs::read_to_string(&path).unwrap());
        recipes += 1;
    }
    assert_eq!(recipes, 7);
    rota.run(["check"]).ok();
}
