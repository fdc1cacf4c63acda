//! The tools by which a run looks at what was changed in its workspace, and how a workspace is brought
//! up to date with the branch that its source names.

use crate::support::bench::{Bench, text_of};
use crate::support::den::{Den, git, has_git, has_sandbox};
use rota::domain::{Reason, SandboxLevel};
use rota::runner::workspace::Origin;
use rota::tools::Code as _;
use serde_json::{Value as Json, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Strict where that can be, because that is how it is meant.
async fn bench() -> Option<Bench> {
    if !has_git() {
        return None;
    }
    let level = if has_sandbox() { SandboxLevel::Strict } else { SandboxLevel::None };
    Some(Bench::new(level, true, |_| {}).await)
}

fn commit(folder: &Path, file: &str, text: &str, message: &str) -> String {
    std::fs::write(folder.join(file), text).unwrap();
    git(folder, &["add", "."]);
    git(folder, &["commit", "-qm", message]);
    git(folder, &["rev-parse", "HEAD"])
}

fn text(of: &Json) -> &str {
    of["text"].as_str().unwrap()
}

#[tokio::test]
async fn a_diff_shows_commits_what_is_not_committed_and_what_is_new_against_the_default_branch() {
    let Some(bench) = bench().await else { return };
    let folder = bench.folder();
    let base = git(&folder, &["rev-parse", "HEAD"]);
    let head = commit(&folder, "committed", "one\n", "first of ours");
    bench.write("README", "read me twice\n");
    bench.write("new\nname", "brand new\n");
    bench.write("ignored.log", "noise\n");
    bench.write(".gitignore", "*.log\n");
    let before = git(&folder, &["status", "--porcelain"]);
    let diff = bench.call("codeDiff", json!({})).await;
    assert_eq!((&diff["base"], &diff["head"]), (&json!(base), &json!(head)));
    for part in ["+one", "-read me", "+read me twice", "+brand new"] {
        assert!(text(&diff).contains(part), "{part}: {diff:#}");
    }
    assert!(!text(&diff).contains("noise"), "{diff:#}");
    assert_eq!(git(&folder, &["status", "--porcelain"]), before, "the index is as it was");
    let stat = bench.call("codeDiff", json!({ "stat": true })).await;
    assert!(text(&stat).contains("committed") && !text(&stat).contains("+read me twice"));
    let one = bench.call("codeDiff", json!({ "path": "committed" })).await;
    assert!(text(&one).contains("+one") && !text(&one).contains("README"), "{one:#}");
    let since = bench.call("codeDiff", json!({ "since": head })).await;
    assert_eq!(since["base"], json!(head));
    assert!(!text(&since).contains("+one") && text(&since).contains("+brand new"), "{since:#}");
    let branch = bench.call("codeDiff", json!({ "since": "main", "path": "committed" })).await;
    assert_eq!(branch["base"], json!(base));
    for (since, reason) in [
        ("none-of-these", Reason::NotFound),
        ("--output=/tmp/x", Reason::InvalidArguments),
        ("a..b", Reason::InvalidArguments),
        ("HEAD^{/x}", Reason::InvalidArguments),
    ] {
        let refused = bench.refuses("codeDiff", json!({ "since": since })).await;
        assert_eq!(refused.0, reason, "{since}: {}", refused.1);
    }
    let tricky = bench.call("codeDiff", json!({ "path": ":(top)README" })).await;
    assert_eq!(text(&tricky), "", "a path is a path, and no pattern");
}

#[tokio::test]
async fn a_long_diff_is_given_in_parts() {
    let Some(bench) = bench().await else { return };
    let long: Vec<String> = (0..20_000).map(|n| format!("{n} {}", "x".repeat(100))).collect();
    bench.write("long", long.join("\n") + "\n");
    let first = bench.call("codeDiff", json!({})).await;
    assert!(text(&first).len() < 26_000 && first["next"].is_u64(), "{}", text(&first).len());
    let second = bench.call("codeDiff", json!({ "from": first["next"] })).await;
    let last = text(&first).lines().last().unwrap();
    assert!(!text(&second).contains(last) && text(&second).starts_with('+'));
    let far = bench.call("codeDiff", json!({ "from": 1_000_000 })).await;
    assert!(far["left_out"].as_str().unwrap().contains("more bytes"), "{far}");
}

#[tokio::test]
async fn commits_and_lines_are_told_with_who_and_when() {
    let Some(bench) = bench().await else { return };
    let folder = bench.folder();
    let second = commit(&folder, "file", "one\ntwo\n", "second\n\nbecause of\nthis");
    let third = commit(&folder, "file", "one\ntwo\nthree\n", "third");
    bench.write("file", "one\ntwo\nthree\nfour\n");
    let log = bench.call("codeLog", json!({})).await;
    let commits = log["commits"].as_array().unwrap();
    assert_eq!((commits.len(), &log["head"]), (3, &json!(third)));
    assert_eq!(commits[0]["hash"], json!(third));
    assert_eq!(
        (&commits[1]["subject"], &commits[1]["body"]),
        (&json!("second"), &json!("because of\nthis"))
    );
    assert_eq!(commits[1]["author"], "Ada");
    let since = bench.call("codeLog", json!({ "since": second })).await;
    assert_eq!(since["commits"].as_array().unwrap().len(), 1);
    let of_file = bench.call("codeLog", json!({ "path": "README" })).await;
    assert_eq!(of_file["commits"].as_array().unwrap().len(), 1);
    let one = bench.call("codeLog", json!({ "limit": 1 })).await;
    assert_eq!(one["left_out"], "earlier commits");
    let blame = bench.call("codeBlame", json!({ "path": "file", "from": 2, "lines": 2 })).await;
    let lines = blame["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["commit"], &lines[0]["text"]), (&json!(second), &json!("two")));
    assert_eq!((&lines[1]["commit"], &lines[1]["line"]), (&json!(third), &json!(3)));
    assert_eq!(blame["next"], 4);
    let rest = bench.call("codeBlame", json!({ "path": "file", "from": 4 })).await;
    assert!(rest["lines"][0]["commit"].as_str().unwrap().starts_with("0000000"), "{rest}");
    let (reason, _) = bench.refuses("codeBlame", json!({ "path": "file", "from": 99 })).await;
    assert_eq!(reason, Reason::InvalidArguments);
    assert_eq!(bench.refuses("codeBlame", json!({ "path": "none" })).await.0, Reason::NotFound);
}

#[tokio::test]
async fn without_a_repository_there_is_no_history_and_that_is_said() {
    let bench = Bench::new(SandboxLevel::None, false, |_| {}).await;
    for tool in ["codeDiff", "codeLog"] {
        let (reason, why) = bench.refuses(tool, json!({})).await;
        assert!(reason == Reason::InvalidArguments && why.contains("source"), "{why}");
    }
    assert_eq!(bench.files.head().await, None);
}

#[tokio::test]
async fn what_an_agent_plants_for_git_is_not_run() {
    if !has_git() {
        return;
    }
    // Without a sandbox: what is run here would be seen, and nothing else keeps it off.
    let bench = Bench::new(SandboxLevel::None, true, |_| {}).await;
    let trap = bench.den.path().join("trapped");
    let program = bench.den.path().join("trap.sh");
    std::fs::write(&program, format!("#!/bin/sh\ntouch {}\ncat\n", trap.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let room = bench.den.root().join(".rooms/main-7");
    let p = program.display();
    let config = format!(
        "[core]\n\tfsmonitor = {p}\n\tpager = {p}\n\thooksPath = {h}\n\teditor = {p}\n\tsshCommand = {p}\n\
         [diff]\n\texternal = {p}\n[diff \"evil\"]\n\ttextconv = {p}\n\tcommand = {p}\n\
         [filter \"evil\"]\n\tclean = {p}\n\tsmudge = {p}\n\tprocess = {p}\n\trequired = true\n\
         [gpg]\n\tprogram = {p}\n[log]\n\tshowSignature = true\n[alias]\n\tdiff = !{p}\n\tlog = !{p}\n\
         [credential]\n\thelper = !{p}\n[pager]\n\tdiff = {p}\n\tlog = {p}\n",
        h = bench.den.path().join("hooks").display(),
    );
    std::fs::create_dir(bench.den.path().join("hooks")).unwrap();
    for hook in ["post-merge", "post-checkout", "post-index-change", "reference-transaction"] {
        std::fs::copy(&program, bench.den.path().join("hooks").join(hook)).unwrap();
    }
    // In its home, beside the worktree, and in a repository of its own that `.git` leads to.
    std::fs::create_dir_all(room.join("home")).unwrap();
    std::fs::write(room.join("home/.gitconfig"), &config).unwrap();
    std::fs::write(room.join("repo.git/worktrees/main-7/config.worktree"), &config).unwrap();
    std::fs::write(room.join("repo.git/worktrees/main-7/config"), &config).unwrap();
    git(&bench.den.path(), &["init", "-q", "evil.git"]);
    let evil = bench.den.path().join("evil.git/.git");
    std::fs::write(evil.join("config"), format!("[core]\n\tbare = false\n{config}")).unwrap();
    bench.write(".git", format!("gitdir: {}\n", evil.display()));
    bench.write(".gitattributes", "* diff=evil filter=evil\n");
    bench.write("README", "changed, and longer than it was\n");
    let diff = bench.call("codeDiff", json!({})).await;
    assert!(text(&diff).contains("+changed"), "{diff:#}");
    bench.call("codeDiff", json!({ "stat": true })).await;
    bench.call("codeLog", json!({})).await;
    bench.call("codeBlame", json!({ "path": "README" })).await;
    assert!(bench.files.head().await.is_some());
    // What leads git to all of it by another way leads to no answer, or to one; to nothing that is run.
    let common = room.join("repo.git/worktrees/main-7/commondir");
    let before = text_of(&common);
    std::fs::write(&common, format!("{}\n", evil.display())).unwrap();
    for tool in ["codeDiff", "codeLog"] {
        let _ = bench.try_to(tool, json!({})).await;
    }
    let _ = bench.try_to("codeBlame", json!({ "path": "README" })).await;
    std::fs::write(&common, before).unwrap();
    let gone = json!({ "file": "gone", "severity": "note", "text": "x" });
    bench.refuses("codeComment", gone).await;
    assert!(!trap.exists(), "something was run");
    let origin = Origin { reference: Some("main".into()), ..origin_of(&bench) };
    commit(&bench.upstream(), "pushed", "pushed\n", "pushed");
    let bench = bench.again(Some(&origin)).await;
    assert!(bench.workspace.standing().note.is_some());
    assert!(!trap.exists(), "something was run while it was brought up to date");
}

fn origin_of(bench: &Bench) -> Origin {
    Origin { repository: bench.upstream().to_str().unwrap().to_owned(), reference: None }
}

/// Somebody pushes to the branch `feature`; the commit.
fn push(bench: &Bench, text: &str, message: &str) -> String {
    git(&bench.upstream(), &["checkout", "-q", "feature"]);
    let pushed = commit(&bench.upstream(), "feature", text, message);
    git(&bench.upstream(), &["checkout", "-q", "main"]);
    pushed
}

/// A bench in a workspace of the branch `feature`.
async fn on_a_branch() -> Option<(Bench, Origin)> {
    if !has_git() {
        return None;
    }
    let level = if has_sandbox() { SandboxLevel::Strict } else { SandboxLevel::None };
    let den = Den::new(level, |book, _| book.tools = vec!["*".to_owned()]).await;
    let mut origin = den.repository("site");
    let upstream = den.path().join("site");
    git(&upstream, &["checkout", "-qb", "feature"]);
    commit(&upstream, "feature", "one\n", "the feature");
    git(&upstream, &["checkout", "-q", "main"]);
    origin.reference = Some("feature".into());
    let bench = Bench::at(den, Some(&origin)).await;
    Some((bench, origin))
}

#[tokio::test]
async fn a_workspace_is_brought_forward_to_what_was_pushed_to_its_branch() {
    let Some((bench, origin)) = on_a_branch().await else { return };
    let first = bench.files.head().await.unwrap();
    assert_eq!(bench.files.target_head().await, Some(first.clone()));
    assert_eq!(bench.workspace.standing().note, None);
    let second = push(&bench, "one\ntwo\n", "more of it");
    // What is not committed and in nobody's way stays.
    bench.write("notes", "mine\n");
    let bench = bench.again(Some(&origin)).await;
    assert_eq!(bench.files.head().await, Some(second.clone()));
    assert_eq!(bench.files.target_head().await, Some(second.clone()));
    let note = bench.workspace.standing().note.clone().unwrap();
    assert!(note.contains("brought forward to feature"), "{note}");
    assert_eq!(text_of(&bench.folder().join("feature")), "one\ntwo\n");
    assert_eq!(text_of(&bench.folder().join("notes")), "mine\n");
    assert_eq!(
        git(&bench.folder(), &["rev-parse", "--abbrev-ref", "HEAD"]),
        bench.workspace.branch()
    );
    let diff = bench.call("codeDiff", json!({ "since": first, "path": "feature" })).await;
    assert!(text(&diff).contains("+two") && !text(&diff).contains("+one"), "{diff:#}");
    let whole = bench.call("codeDiff", json!({ "path": "feature" })).await;
    assert!(text(&whole).contains("+one") && text(&whole).contains("+two"), "{whole:#}");
    let bench = bench.again(Some(&origin)).await;
    assert_eq!(bench.workspace.standing().note, None, "nothing new");
    assert_eq!(bench.files.head().await, Some(second));
}

#[tokio::test]
async fn a_workspace_with_work_of_its_own_is_left_alone_and_that_is_said() {
    let Some((bench, origin)) = on_a_branch().await else { return };
    let first = bench.files.head().await;
    bench.write("feature", "changed\n");
    let pushed = push(&bench, "theirs\n", "theirs");
    let bench = bench.again(Some(&origin)).await;
    let note = |bench: &Bench| bench.workspace.standing().note.clone().unwrap();
    assert!(note(&bench).contains("not committed"), "{}", note(&bench));
    assert_eq!(text_of(&bench.folder().join("feature")), "changed\n");
    assert_eq!(bench.files.head().await, first);
    assert_eq!(bench.files.target_head().await, Some(pushed.clone()));
    let own = commit(&bench.folder(), "feature", "changed\n", "ours");
    let bench = bench.again(Some(&origin)).await;
    assert!(note(&bench).contains("both have commits"), "{}", note(&bench));
    assert_eq!(bench.files.head().await, Some(own));
    // What was pushed can be looked at all the same.
    let theirs = bench.call("codeDiff", json!({ "since": pushed, "path": "feature" })).await;
    assert!(text(&theirs).contains("-theirs"), "{theirs:#}");
    git(&bench.folder(), &["checkout", "-q", "-b", "another"]);
    let bench = bench.again(Some(&origin)).await;
    assert!(note(&bench).contains("another branch"), "{}", note(&bench));
    // A repository that cannot be reached keeps nobody from work that is there.
    std::fs::rename(bench.upstream(), bench.den.path().join("moved")).unwrap();
    let bench = bench.again(Some(&origin)).await;
    assert!(note(&bench).contains("could not be brought up to date"), "{}", note(&bench));
    assert_eq!(bench.files.target_head().await, None);
}

#[tokio::test]
async fn the_repositorys_configuration_and_hooks_are_as_they_were_after_all_that() {
    let Some((bench, origin)) = on_a_branch().await else { return };
    let repo = bench.den.root().join(".rooms/main-7/repo.git");
    let before = (text_of(&repo.join("config")), std::fs::read_dir(repo.join("hooks")).is_ok());
    push(&bench, "more\n", "more");
    let bench = bench.again(Some(&origin)).await;
    bench.call("codeDiff", json!({})).await;
    let after = (text_of(&repo.join("config")), std::fs::read_dir(repo.join("hooks")).is_ok());
    assert_eq!(before, after);
}
