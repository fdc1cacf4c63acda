//! `init`, `check`, `schema`, `doctor`: before anything runs.

use super::team::{json, team};
use crate::support::rota::Rota;

#[test]
fn init_writes_what_passes_the_check_and_fits_its_schema() {
    let rota = Rota::new();
    let init = rota.run(["init", "my team", "--json"]).ok().json();
    let written = init["written"].as_array().unwrap();
    assert!(written.len() > 20 && init["kept"].as_array().unwrap().is_empty(), "{init}");
    let check = rota.run(["--config", "my team/rota.toml", "check"]).ok();
    assert!(check.out.starts_with("ok: 21 files checked"), "{check:#?}");

    for (kind, folder) in [("playbook", "my team/agents"), ("config", "my team")] {
        let schema = rota.run(["schema", kind]).ok().json();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let fits = |path: &std::path::Path| {
            let text = std::fs::read_to_string(path).unwrap();
            let value: toml::Value = toml::from_str(&text).unwrap();
            let value = serde_json::to_value(value).unwrap();
            let faults: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        };
        if kind == "config" {
            fits(&rota.path().join(folder).join("rota.toml"));
            continue;
        }
        for entry in std::fs::read_dir(rota.path().join(folder)).unwrap() {
            fits(&entry.unwrap().path());
        }
        // Strict enough to refuse what `check` refuses.
        assert!(!validator.is_valid(&serde_json::json!({"agent": "A", "crom": "x"})));
    }
}

#[test]
fn the_schema_that_init_writes_is_the_one_that_is_printed() {
    let rota = Rota::new();
    rota.run(["init"]).ok();
    for kind in ["playbook", "config"] {
        let printed = rota.run(["schema", kind]).ok().out;
        assert_eq!(printed.trim(), rota.read(&format!("docs/schema/{kind}.json")).trim(), "{kind}");
    }
    rota.run(["schema", "board"]).ended(2);
}

#[test]
fn init_overwrites_nothing() {
    let rota = Rota::new();
    rota.write("rota.toml", "timezone = \"Europe/Berlin\"\n");
    rota.write("agents/daily-digest.toml", "ours");
    let init = rota.run(["init"]).ok();
    assert!(init.out.contains("kept  rota.toml (it was there)"), "{init:#?}");
    assert_eq!(rota.read("rota.toml"), "timezone = \"Europe/Berlin\"\n");
    assert_eq!(rota.read("agents/daily-digest.toml"), "ours");
    let again = json(&rota, &["init"]);
    assert_eq!(again["written"].as_array().unwrap().len(), 0, "{again}");
}

#[test]
fn a_faulty_playbook_is_shown_with_its_place_a_caret_and_what_was_meant() {
    let rota = team();
    rota.write(
        "agents/stale.toml",
        "agent = \"AI-Assistant\"\n[on]\n  crom = \"30 9 * * *\"\n[report]\ntemplate = \"stale\"\nto = [\"stdout\"]\n",
    );
    let check = rota.run(["check"]).ended(3);
    assert!(check.out.contains("agents/stale.toml:3:3"), "{check:#?}");
    assert!(check.out.contains("^^^^"), "{check:#?}");
    assert!(check.out.contains("did you mean `cron`?"), "{check:#?}");
    let document = rota.run(["check", "--json"]).ended(3).json();
    let fault = &document["faults"][0];
    assert_eq!(
        (&fault["line"], &fault["column"], &fault["fatal"]),
        (&3.into(), &3.into(), &true.into())
    );
    // Only what was named is told.
    rota.run(["check", "agents/due-soon.toml"]).ok();
    rota.run(["check", "agents/stale.toml"]).ended(3);
    rota.run(["check", "agents/missing.toml"]).ended(2);
    // A playbook that was never good is not there; the others are.
    let run = rota.run(["run-once", "stale"]).ended(1);
    assert!(run.err.contains("stale"), "{run:#?}");
    rota.run(["run-once", "documentation"]).ok();
}

#[test]
fn a_label_that_the_board_lacks_is_named_before_anything_runs() {
    let rota = team();
    rota.run(["check"]).ok();
    let text = rota.read("agents/ai-worker.toml");
    rota.write("agents/ai-worker.toml", &text.replace("\"Ready for Review\"", "\"Nowhere\""));
    let warned = rota.run(["check"]).ok();
    let said = warned.out + &warned.err;
    for part in ["agents/ai-worker.toml", "warning", "Nowhere", "Website"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn a_wrong_key_in_the_configuration_ends_every_command_that_reads_it_with_three() {
    let rota = team();
    rota.write("rota.toml", "timezone = \"UTC\"\n[daemon]\nslot = 3\n");
    for words in [&["check"][..], &["status"], &["run-once", "daily-digest"], &["serve"]] {
        let failed = rota.run(words).ended(3);
        let said = failed.out + &failed.err;
        assert!(said.contains("rota.toml:3:1") && said.contains("did you mean `slots`?"), "{said}");
    }
    let document = rota.run(["status", "--json"]).ended(3).json();
    assert_eq!(document["error"]["kind"], "config");
    // What has nothing to do with the configuration still works.
    rota.run(["schema", "config"]).ok();
    // The stop is written whatever stands there; who else shares the store is not known.
    let stopped = rota.run(["stop-all"]).ended(3);
    assert!(stopped.out.contains("nothing more will be started here"), "{stopped:?}");
    assert!(stopped.err.contains("\n --> rota.toml:3:1\n"), "{stopped:?}");
    assert!(rota.state().join("STOPPED").exists());
    rota.run(["start-all"]).ended(3);
    assert!(rota.state().join("STOPPED").exists(), "it is lifted for all or for none");
    rota.write("rota.toml", "timezone = \"UTC\"\n");
    rota.run(["start-all"]).ok();
    assert!(!rota.state().join("STOPPED").exists());
}

#[test]
fn a_secret_is_never_shown() {
    const SECRET: &str = "https://hooks.slack.example/T0/B0/verysecret";
    let rota = team().with_env("HOOK", SECRET);
    let config = "timezone = \"UTC\"\n[notify.slack.team]\nwebhook = { env = \"HOOK\" }\n";
    rota.write("rota.toml", config);
    rota.write("model.toml", "");
    for words in [&["check"][..], &["doctor"], &["status", "-vv"], &["run-once", "due-soon", "-vv"]]
    {
        let ran = rota.run(words);
        assert!(!ran.out.contains("verysecret") && !ran.err.contains("verysecret"), "{ran:#?}");
    }
    // Neither when it is wrong, nor when the key it stands for is missing.
    let rota = rota.with_env("HOOK", "http://plain.example/verysecret");
    let wrong = rota.run(["check"]).ended(3);
    assert!(wrong.out.contains("rota.toml:3") && !wrong.out.contains("verysecret"), "{wrong:#?}");
    rota.write("rota.toml", "[notify.slack.team]\nwebhook = { env = \"NO_SUCH_HOOK\" }\n");
    let missing = rota.run(["check"]).ended(3);
    assert!(missing.out.contains("NO_SUCH_HOOK"), "{missing:#?}");
    let other = rota.run(["task", "list"]).ended(3);
    assert!(
        other.err.starts_with("error: ") && other.err.matches("error").count() == 1,
        "{other:#?}"
    );
}

#[test]
fn the_doctor_looks_and_changes_nothing() {
    let rota = Rota::new();
    rota.run(["init"]).ok();
    let doctor = rota.run(["doctor"]).ok();
    assert!(doctor.out.contains("./state does not exist yet"), "{doctor:#?}");
    assert!(!rota.state().exists(), "the doctor made a state folder");
    rota.write("agents/stale.toml", "agent = 3\n");
    let ill = rota.run(["doctor", "--json"]).ended(1).json();
    let ill: Vec<_> =
        ill["checks"].as_array().unwrap().iter().filter(|c| c["health"] == "fail").collect();
    assert_eq!(ill.len(), 1, "{ill:?}");
    assert_eq!(ill[0]["what"], "playbooks");
}

#[test]
fn without_a_configuration_the_defaults_hold() {
    let rota = Rota::new();
    rota.run(["project", "add", "Alone"]).ok();
    let status = json(&rota, &["status"]);
    assert_eq!(status["zone"], "UTC");
    assert_eq!(status["playbooks"].as_array().unwrap().len(), 0);
    assert_eq!(json(&rota, &["doctor"])["checks"][1]["health"], "warn");
}

#[test]
fn a_crash_at_no_known_step_is_a_usage_failure() {
    let rota = Rota::new().with_env("ROTA_CRASH_AT", "effect.imagined");
    let failed = rota.run(["status"]).ended(2);
    assert!(failed.err.contains("effect.intended"), "{failed:#?}");
}

#[test]
fn a_crash_at_a_step_is_a_crash_and_the_next_command_goes_on() {
    let rota = team();
    let crashing = team_env(&rota, "effect.acted");
    assert_eq!(crashing, -1, "it should have died by a signal");
    // The next command settles what was left behind, whatever it was typed for.
    rota.run(["task", "comment", "1", "What happened?"]).ok();
    assert_eq!(rota.run(["claims", "list"]).ok().out, "no claims\n");
    let run = json(&rota, &["run-once", "ai-worker"]);
    assert_eq!(run["state"], "succeeded", "{run}");
    let runs = json(&rota, &["runs", "list"]);
    let states: Vec<_> = runs["items"].as_array().unwrap().iter().map(|r| &r["state"]).collect();
    assert!(states.contains(&&"interrupted".into()), "{runs}");
}

fn team_env(rota: &Rota, step: &str) -> i32 {
    let mut command = rota.command(["run-once", "ai-worker"]);
    command.env("ROTA_CRASH_AT", step);
    let status = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    status.status().unwrap().code().unwrap_or(-1)
}
