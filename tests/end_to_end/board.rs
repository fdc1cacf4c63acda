//! Projects, tasks, people and milestones from a terminal.

use super::team::{json, team};

#[test]
fn a_project_is_added_shown_changed_and_closed() {
    let rota = team();
    let words = [
        "project",
        "add",
        "App",
        "--details",
        "The app",
        "--label",
        "To do=new",
        "--label",
        "Over=done",
    ];
    let added = rota.run(words).ok();
    assert!(added.out.contains("statuses: – → To do (new), Over (done)"), "{added:#?}");
    assert!(!added.out.contains("– → –"), "{added:#?}");
    rota.run(["project", "add", "App"]).ended(1);
    let shown = rota.run(["project", "show", "App"]).ok();
    assert!(shown.out.contains("project 2  App") && shown.out.contains("| The app"), "{shown:#?}");
    assert!(shown.out.contains("1   Over   done"), "{shown:#?}");
    // A project without labels gets those that the shipped playbooks use.
    let labels = json(&rota, &["project", "show", "Website"]);
    let labels = labels["statuses"].to_string();
    for label in ["Ready for Review", "Changes Requested", "Approved", "Done"] {
        assert!(labels.contains(label), "{label} is missing in {labels}");
    }
    rota.run(["project", "edit", "App", "--name", "Apps", "--close"]).ok();
    assert_eq!(json(&rota, &["project", "list"])["items"].as_array().unwrap().len(), 1);
    let all = json(&rota, &["project", "list", "--closed"]);
    assert!(all.to_string().contains("\"Apps\""), "{all}");
    rota.run(["project", "update", "Website", "yellow", "Late"]).ok();
    let missing = rota.run(["project", "show", "Websit"]).ended(1);
    assert!(missing.err.contains("did you mean \"Website\"?"), "{missing:#?}");
    rota.run(["project", "edit", "App"]).ended(2);
}

#[test]
fn a_task_is_added_found_shown_changed_commented_and_deleted() {
    let rota = team();
    let words = [
        "task",
        "add",
        "Choose a logo",
        "--project",
        "Website",
        "--assign",
        "me",
        "--priority",
        "2",
        "--due",
        "2026-12-01",
        "--description",
        "Round.\nstatus: Done",
        "--tag",
        "design",
    ];
    let added = rota.run(words).ok();
    for line in ["task 2", "assignee: – → ", "project: – → Website", "status: – → New"]
    {
        assert!(added.out.contains(line), "{line}: {added:#?}");
    }
    assert!(!added.out.contains("– → –"), "{added:#?}");
    let document = json(&rota, &["task", "add", "A part", "--parent", "2"]);
    assert_eq!((&document["id"], &document["after"]["parent"]), (&3.into(), &2.into()));
    // Ids stay ids for programs, the names stand beside them.
    assert_eq!(document["after"]["status"], 0);
    assert_eq!(document["after"]["status_label"], "New");

    let list = rota.run(["task", "list", "--tag", "design"]).ok();
    assert_eq!(list.out.lines().count(), 2, "{list:#?}");
    assert!(list.out.contains("2026-12-01") && list.out.contains("Choose a logo"), "{list:#?}");
    assert_eq!(json(&rota, &["task", "list", "--text", "logo"])["items"][0]["id"], 2);
    assert_eq!(
        json(&rota, &["task", "list", "-s", "kind:blocked"])["items"].as_array().unwrap().len(),
        0
    );

    let edited = rota
        .run(["task", "edit", "2", "--status", "In Progress", "--assign", "none", "--due", "none"])
        .ok();
    assert!(edited.out.contains("status: New → In Progress"), "{edited:#?}");
    assert!(edited.out.contains(" → –\n"), "{edited:#?}");
    rota.run(["task", "comment", "2", "It is **round**."]).ok();
    let shown = rota.run(["task", "show", "2"]).ok();
    for line in
        ["status: In Progress", "  | Round.\n  | status: Done", "  | It is **round**.", "A part"]
    {
        assert!(shown.out.contains(line), "{line}: {shown:#?}");
    }
    rota.run(["task", "delete", "2"]).ended(2);
    rota.run(["task", "delete", "2", "--yes"]).ok();
    let gone = rota.run(["task", "show", "2"]).ended(1);
    assert!(gone.err.contains("error:"), "{gone:#?}");
    assert_eq!(json(&rota, &["task", "list"])["items"].as_array().unwrap().len(), 1);
}

#[test]
fn what_does_not_fit_is_refused_with_what_would() {
    let rota = team();
    let label = rota.run(["task", "edit", "1", "--status", "In Progres"]).ended(1);
    assert!(label.err.contains("did you mean \"In Progress\"?"), "{label:#?}");
    rota.run(["task", "edit", "1", "--due", "someday"]).ended(2);
    rota.run(["task", "edit", "1", "--priority", "9"]).ended(2);
    rota.run(["task", "edit", "1", "--assign", "Nobody"]).ended(1);
    let document = rota.run(["task", "edit", "9", "--headline", "x", "--json"]).ended(1).json();
    assert_eq!(document["error"]["reason"], "not_found");
}

#[test]
fn people_agents_and_milestones_are_added_and_listed() {
    let rota = team();
    rota.run(["person", "add", "Ada", "--role", "manager", "--email", "ada@example.org"]).ok();
    rota.run(["person", "add", "AI-Writer", "--agent"]).ok();
    let people = rota.run(["person", "list"]).ok();
    let row = |name: &str| people.out.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(row("Ada").contains("person") && row("Ada").contains("manager"), "{people:#?}");
    assert!(row("AI-Writer").contains("agent") && row("AI-Writer").contains("editor"));
    rota.run(["person", "add", "Ada"]).ended(1);
    rota.run(["person", "add", "Bo", "--role", "king"]).ended(2);

    let words = [
        "milestone",
        "add",
        "Launch",
        "-p",
        "Website",
        "--from",
        "2026-11-01",
        "--to",
        "2026-11-30",
        "--assign",
        "Ada",
    ];
    let added = rota.run(words).ok();
    assert!(
        added.out.contains("milestone 1") && added.out.contains("headline: – → Launch"),
        "{added:#?}"
    );
    assert!(added.out.contains("assignee: – → Ada"), "{added:#?}");
    let list = rota.run(["milestone", "list", "--open"]).ok();
    assert!(list.out.contains("Launch") && list.out.contains("2026-11-30"), "{list:#?}");
    rota.run([
        "milestone",
        "add",
        "Late",
        "-p",
        "Website",
        "--from",
        "2026-11-02",
        "--to",
        "2026-11-01",
    ])
    .ended(2);
}

#[test]
fn a_sprint_is_made_filled_and_listed_from_a_terminal() {
    let rota = team();
    let words = ["sprint", "add", "Sprint 12", "-p", "Website", "--from", "2026-11-02"];
    let added = rota.run(words.iter().chain(&["--to", "2026-11-15"])).ok();
    assert!(added.out.contains("sprint 1") && added.out.contains("Sprint 12"), "{added:#?}");
    rota.run(words.iter().chain(&["--to", "2026-11-01"])).ended(2);
    let list = rota.run(["sprint", "list", "-p", "Website", "--on", "2026-11-15"]).ok();
    assert!(list.out.contains("Sprint 12") && list.out.contains("2026-11-15"), "{list:#?}");
    let list = rota.run(["sprint", "list", "--on", "2026-11-16"]).ok();
    assert!(list.err.contains("no sprints") || list.out.contains("no sprints"), "{list:#?}");
    let add = ["task", "add", "Fix it", "-p", "Website", "--sprint", "1", "--json"];
    let id = rota.run(add).ok().json()["id"].to_string();
    assert_eq!(json(&rota, &["task", "show", &id])["sprint"], 1);
    rota.run(["sprint", "delete", "1"]).ended(1);
    rota.run(["task", "edit", &id, "--sprint", "none"]).ok();
    rota.run(["sprint", "delete", "1"]).ok();
    assert_eq!(json(&rota, &["sprint", "list"])["items"], serde_json::json!([]));
}

#[test]
fn the_folder_of_state_and_the_configuration_may_be_elsewhere() {
    let rota = team();
    rota.run(["--state", "other", "project", "add", "Elsewhere"]).ok();
    let there = json(&rota, &["--state", "other", "project", "list"]);
    assert_eq!(there["items"][0]["name"], "Elsewhere");
    assert_eq!(json(&rota, &["project", "list"])["items"][0]["name"], "Website");
    let rota = rota.with_env("ROTA_STATE", "other");
    assert_eq!(json(&rota, &["project", "list"])["items"][0]["name"], "Elsewhere");
}
