//! Workspaces: where they lie, what becomes of them, and what is never done to them. The items of
//! Symphony's specification have their numbers (WSP-1 to WSP-10).

use crate::support::den::{Den, git, has_git, has_sandbox};
use rota::domain::{Playbook, Reason, RunId, RunState, SandboxLevel};
use rota::runner::workspace::{Options, WorkspaceError};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

/// A den without a sandbox, so that it can be tried everywhere.
async fn open(change: impl FnOnce(&mut Playbook, &mut Options)) -> Den {
    Den::new(SandboxLevel::None, change).await
}

/// Its playbook's hooks, in the order of their keys.
fn hooks(book: &mut Playbook, texts: [&str; 4]) {
    let hooks = &mut book.workspace.as_mut().unwrap().hooks;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    hooks.after_create = some(texts[0]);
    hooks.before_run = some(texts[1]);
    hooks.after_run = some(texts[2]);
    hooks.before_remove = some(texts[3]);
}

async fn remove(den: &Den, identifier: &str) -> Result<bool, WorkspaceError> {
    let records = den.workspaces.list();
    let record = records.iter().find(|record| record.identifier == identifier).unwrap();
    den.workspaces.remove(record, Some(&den.book), &RunId::new("w-test")).await
}

/// What a crash leaves behind, by name.
type Crash<'a> = (&'static str, Box<dyn Fn() + 'a>);

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn wsp_1_whatever_the_identifier_the_folder_lies_below_the_root() {
    let den = open(|_, _| {}).await;
    let long = "x".repeat(400);
    for odd in ["..", "../../etc", "/etc", ".rooms", ".repos", "a/../../b", "", "ü", "-rf", &long]
    {
        let workspace = den.prepare(odd, None).await.unwrap();
        assert_eq!(workspace.folder().parent(), Some(den.root().as_path()), "{odd}");
        assert!(workspace.folder().is_dir() && workspace.folder().starts_with(den.root()));
    }
    assert_eq!(std::fs::metadata(den.root()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn wsp_1_a_state_folder_behind_a_link_is_taken_for_where_it_really_is() {
    let den = open(|_, _| {}).await;
    std::fs::create_dir(den.path().join("real")).unwrap();
    symlink(den.path().join("real"), den.path().join("state")).unwrap();
    let workspace = den.prepare("main-7", None).await.unwrap();
    assert_eq!(workspace.folder(), den.path().join("real/workspaces/main-7"));
}

#[tokio::test]
async fn wsp_2_a_program_works_in_its_tasks_folder() {
    let den = open(|_, _| {}).await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    let played = den.play(&workspace, &["pwd"]).await;
    assert_eq!(played.lines, [den.root().join("main-7").to_str().unwrap()]);
}

#[tokio::test]
async fn wsp_3_and_4_names_are_plain_and_different_identifiers_never_share_a_folder() {
    let den = open(|_, _| {}).await;
    assert_eq!(den.prepare("main-7", None).await.unwrap().name(), "main-7");
    let (one, two) =
        (den.prepare("a b", None).await.unwrap(), den.prepare("a?b", None).await.unwrap());
    assert_ne!(one.folder(), two.folder());
    assert!(one.name().starts_with("a_b-") && one.name().len() == "a_b-".len() + 16);
}

#[tokio::test]
async fn wsp_5_and_9_a_workspace_is_used_again_as_it_was_left() {
    if !has_git() {
        return;
    }
    let den = open(|_, _| {}).await;
    let origin = den.repository("site");
    let workspace = den.prepare("main-7", Some(&origin)).await.unwrap();
    let folder = workspace.folder().to_owned();
    std::fs::write(folder.join("README"), "changed and not committed").unwrap();
    std::fs::write(folder.join("new"), "new").unwrap();
    drop(workspace);
    // The repository goes on, and the task names another branch meanwhile.
    let upstream = den.path().join("site");
    std::fs::write(upstream.join("README"), "theirs").unwrap();
    git(&upstream, &["commit", "-qam", "second"]);
    let moved = rota::runner::workspace::Origin { reference: Some("other".into()), ..origin };
    let workspace = den.prepare("main-7", Some(&moved)).await.unwrap();
    assert_eq!(workspace.folder(), folder);
    assert_eq!(read(&folder.join("README")), "changed and not committed");
    assert_eq!(read(&folder.join("new")), "new");
    // Another repository is another matter: nothing is thrown away for it.
    drop(workspace);
    let another = den.repository("shop");
    let refused = den.prepare("main-7", Some(&another)).await.unwrap_err();
    assert_eq!(refused.state(), (RunState::Failed, Reason::WorkspaceFailed), "{refused}");
    assert_eq!(read(&folder.join("new")), "new");
}

#[tokio::test]
async fn wsp_5_after_create_is_run_once_and_before_run_each_time() {
    let den =
        open(|book, _| hooks(book, ["echo made >>log", "echo begun >>log", "echo over >>log", ""]))
            .await;
    for _ in 0..3 {
        den.prepare("main-7", None).await.unwrap().after_run().await;
    }
    let log = read(&den.root().join("main-7/log"));
    assert_eq!(log, "made\nbegun\nover\nbegun\nover\nbegun\nover\n");
}

#[tokio::test]
async fn wsp_5_a_failing_after_create_leaves_no_workspace_and_is_tried_anew() {
    let den = open(|book, _| {
        let once = "pwd; test -e ../../ready || { touch left; echo not yet >&2; exit 3; }";
        hooks(book, [once, "", "", ""]);
    })
    .await;
    let error = den.prepare("main-7", None).await.unwrap_err();
    assert_eq!(error.state(), (RunState::Failed, Reason::HookFailed));
    let told = error.to_string();
    assert!(told.contains("after_create") && told.contains("not yet"), "{told}");
    assert!(!den.root().join("main-7").exists() && den.workspaces.list().is_empty());
    std::fs::write(den.path().join("state/ready"), "").unwrap();
    let workspace = den.prepare("main-7", None).await.unwrap();
    assert!(!workspace.folder().join("left").exists());
}

#[tokio::test]
async fn wsp_6_a_failing_before_run_ends_the_attempt_and_keeps_the_workspace() {
    let den = open(|book, _| hooks(book, ["touch work", "test ! -e stop", "", ""])).await;
    drop(den.prepare("main-7", None).await.unwrap());
    let stop = den.root().join("main-7/stop");
    std::fs::write(&stop, "").unwrap();
    let error = den.prepare("main-7", None).await.unwrap_err();
    assert_eq!(error.state(), (RunState::Failed, Reason::HookFailed), "{error}");
    std::fs::remove_file(&stop).unwrap();
    let workspace = den.prepare("main-7", None).await.unwrap();
    assert!(workspace.folder().join("work").exists());
}

#[tokio::test]
async fn wsp_6_failing_after_run_and_before_remove_are_only_told() {
    let den = open(|book, _| hooks(book, ["", "", "exit 9", "touch ../../gone; exit 9"])).await;
    den.prepare("main-7", None).await.unwrap().after_run().await;
    assert!(remove(&den, "main-7").await.unwrap());
    assert!(den.path().join("state/gone").exists(), "before_remove was not run");
    assert!(!den.root().join("main-7").exists());
    assert!(!den.root().join(".rooms/main-7").exists());
}

#[tokio::test]
async fn wsp_7_and_8_a_hook_that_hangs_is_ended_and_what_it_shouts_is_cut() {
    let den = open(|book, _| {
        hooks(book, ["", "yes loud | head -c 3000000 >&2; sleep 600", "", ""]);
        book.workspace.as_mut().unwrap().hook_time = std::time::Duration::from_secs(1);
    })
    .await;
    let error = den.prepare("main-7", None).await.unwrap_err().to_string();
    assert!(error.contains("too long") && error.len() < 1_000, "{error}");
}

#[tokio::test]
async fn wsp_10_what_is_in_the_way_is_neither_followed_nor_removed() {
    let den = open(|_, _| {}).await;
    std::fs::create_dir_all(den.root()).unwrap();
    let elsewhere = den.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(den.root().join("file"), "a person's").unwrap();
    symlink(&elsewhere, den.root().join("link")).unwrap();
    symlink(den.path().join("nowhere"), den.root().join("broken")).unwrap();
    std::fs::create_dir(den.root().join("folder")).unwrap();
    for name in ["file", "link", "broken", "folder"] {
        let error = den.prepare(name, None).await.unwrap_err();
        assert_eq!(error.state().1, Reason::WorkspaceFailed, "{name}: {error}");
        assert!(den.root().join(name).symlink_metadata().is_ok(), "{name} is gone");
    }
    assert_eq!(read(&den.root().join("file")), "a person's");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[tokio::test]
async fn a_worktree_has_a_branch_of_its_own_from_what_was_asked_for() {
    if !has_git() {
        return;
    }
    let den = open(|_, _| {}).await;
    let mut origin = den.repository("site");
    let upstream = den.path().join("site");
    let first = git(&upstream, &["rev-parse", "HEAD"]);
    std::fs::write(upstream.join("README"), "second\n").unwrap();
    git(&upstream, &["commit", "-qam", "second"]);
    git(&upstream, &["tag", "v1", &first]);
    for (identifier, reference, text) in [
        ("main-1", None, "second\n"),
        ("main-2", Some("other"), "read me\n"),
        ("main-3", Some("v1"), "read me\n"),
        ("main-4", Some(first.as_str()), "read me\n"),
    ] {
        origin.reference = reference.map(str::to_owned);
        let workspace = den.prepare(identifier, Some(&origin)).await.unwrap();
        assert_eq!(read(&workspace.folder().join("README")), text, "{reference:?}");
        let branch = git(workspace.folder(), &["rev-parse", "--abbrev-ref", "HEAD"]);
        assert_eq!(branch, format!("rota/{identifier}"));
        let trees = git(workspace.folder(), &["worktree", "list"]);
        assert!(trees.contains(&format!("workspaces/{identifier}")), "{trees}");
    }
    // One repository was fetched for all of them, and none of them wrote into it.
    assert_eq!(std::fs::read_dir(den.root().join(".repos")).unwrap().count(), 1);
    assert_eq!(git(&upstream, &["branch", "--list", "rota/*"]), "");
    origin.reference = Some("gone".into());
    let error = den.prepare("main-5", Some(&origin)).await.unwrap_err();
    assert_eq!(error.state(), (RunState::Refused, Reason::SourceRefused), "{error}");
    assert!(!den.root().join("main-5").exists() && !den.root().join(".rooms/main-5").exists());
}

#[tokio::test]
async fn a_hostile_repository_is_checked_out_without_running_anything() {
    if !has_git() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let at_home = home.path().to_str().unwrap().to_owned();
    let den = open(|_, options| drop(options.environment.insert("HOME".into(), at_home))).await;
    let origin = den.repository("site");
    let upstream = den.path().join("site");
    let trap = den.path().join("trapped");
    let evil = format!("touch {}", trap.display());
    // What the daemon's user has set up for files of their own.
    let filter = format!("[filter \"evil\"]\n\tsmudge = \"{evil}; cat\"\n\tclean = cat\n");
    std::fs::write(home.path().join(".gitconfig"), filter).unwrap();
    symlink("/etc/passwd", upstream.join("passwd")).unwrap();
    symlink("../../..", upstream.join("up")).unwrap();
    std::fs::write(upstream.join(".gitattributes"), "* filter=evil\npasswd filter=lfs\n").unwrap();
    let modules = format!("[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c {evil}\n");
    std::fs::write(upstream.join(".gitmodules"), modules).unwrap();
    git(&upstream, &["add", "."]);
    git(&upstream, &["commit", "-qm", "traps"]);
    for hook in ["post-checkout", "post-upload-pack", "pre-receive"] {
        let path = upstream.join(".git/hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\n{evil}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let workspace = den.prepare("main-7", Some(&origin)).await.unwrap();
    assert!(workspace.folder().join("passwd").is_symlink());
    assert!(!trap.exists(), "something of the repository was run");
}

#[tokio::test]
async fn a_fetch_that_was_ended_in_the_middle_does_not_shut_its_repository() {
    if !has_git() {
        return;
    }
    let den = open(|_, _| {}).await;
    let origin = den.repository("site");
    drop(den.prepare("main-1", Some(&origin)).await.unwrap());
    let mirror = std::fs::read_dir(den.root().join(".repos")).unwrap().next().unwrap().unwrap();
    for lock in ["packed-refs.lock", "refs/heads/main.lock"] {
        std::fs::write(mirror.path().join(lock), "").unwrap();
    }
    std::fs::write(den.path().join("site/README"), "more\n").unwrap();
    git(&den.path().join("site"), &["commit", "-qam", "more"]);
    let workspace = den.prepare("main-2", Some(&origin)).await.unwrap();
    assert_eq!(read(&workspace.folder().join("README")), "more\n");
}

#[tokio::test]
async fn what_is_left_half_made_or_half_removed_is_made_anew() {
    if !has_git() {
        return;
    }
    let den = open(|_, _| {}).await;
    let origin = den.repository("site");
    drop(den.prepare("main-7", Some(&origin)).await.unwrap());
    let (tree, room) = (den.root().join("main-7"), den.root().join(".rooms/main-7"));
    let mirror = std::fs::read_dir(den.root().join(".repos")).unwrap().next().unwrap().unwrap();
    let half_fetched = den.root().join(".repos").join("0123456789abcdef.new");
    // A crash at each step: nothing but the room, no worktree, no record, the record gone first.
    let crashes: [Crash<'_>; 4] = [
        (
            "room",
            Box::new(|| {
                std::fs::remove_dir_all(&tree).unwrap();
                std::fs::remove_dir_all(room.join("repo.git")).unwrap();
                std::fs::remove_file(room.join("record.json")).unwrap();
            }),
        ),
        (
            "no worktree",
            Box::new(|| {
                std::fs::remove_dir_all(&tree).unwrap();
            }),
        ),
        ("no record", Box::new(|| std::fs::remove_file(room.join("record.json")).unwrap())),
        (
            "half removed",
            Box::new(|| {
                std::fs::remove_file(room.join("record.json")).unwrap();
                std::fs::remove_file(tree.join("README")).unwrap();
            }),
        ),
    ];
    for (name, crash) in &crashes {
        crash();
        std::fs::create_dir_all(&half_fetched).unwrap();
        let workspace = den.prepare("main-7", Some(&origin)).await.unwrap();
        assert_eq!(read(&workspace.folder().join("README")), "read me\n", "{name}");
        assert_eq!(git(workspace.folder(), &["status", "--porcelain"]), "", "{name}");
    }
    // Without anybody asking for it, the sweep at the start clears it away.
    std::fs::remove_file(room.join("record.json")).unwrap();
    assert_eq!(den.workspaces.clear_half_made().await, 1);
    assert!(!tree.exists() && !room.exists() && mirror.path().exists());
    assert_eq!(den.workspaces.clear_half_made().await, 0);
}

#[tokio::test]
async fn one_whose_record_cannot_be_read_is_left_alone() {
    let den = open(|_, _| {}).await;
    let workspace = den.prepare("main-7", None).await.unwrap();
    let work = workspace.folder().join("work");
    std::fs::write(&work, "of a day").unwrap();
    drop(workspace);
    let record = den.root().join(".rooms/main-7/record.json");
    let whole = std::fs::read(&record).unwrap();
    std::fs::write(&record, b"{\"of\": \"a later version\"}").unwrap();
    assert_eq!(den.workspaces.clear_half_made().await, 0);
    assert!(den.prepare("main-7", None).await.is_err());
    assert_eq!(read(&work), "of a day");
    std::fs::write(&record, whole).unwrap();
    drop(den.prepare("main-7", None).await.unwrap());
    assert_eq!(read(&work), "of a day");
}

#[tokio::test]
async fn whoever_is_stopped_before_a_workspace_is_made_makes_none() {
    let den = open(|_, _| {}).await;
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    let error = den.prepare_until(&den.book, "main-7", None, &stop).await.unwrap_err();
    assert_eq!(error.state(), (RunState::Cancelled, Reason::Cancelled), "{error}");
    assert!(!den.root().join("main-7").exists());
}

#[tokio::test]
async fn one_run_at_a_time_works_in_a_workspace_and_one_in_use_is_not_removed() {
    let den = open(|_, _| {}).await;
    let held = den.prepare("main-7", None).await.unwrap();
    let error = den.prepare("main-7", None).await.unwrap_err();
    assert_eq!(error.state(), (RunState::Failed, Reason::WorkspaceBusy));
    assert!(!remove(&den, "main-7").await.unwrap());
    assert_eq!(den.workspaces.clear_half_made().await, 0);
    drop(held);
    assert!(remove(&den, "main-7").await.unwrap());
    assert!(den.workspaces.list().is_empty());
}

#[tokio::test]
async fn a_full_disk_cap_takes_the_idle_ones_without_work_and_else_refuses() {
    if !has_git() || !has_sandbox() {
        return;
    }
    let den = Den::new(SandboxLevel::Strict, |_, options| options.bytes_max = 1_500_000).await;
    let origin = den.repository("site");
    // Of a sort that takes as much room once it is committed.
    let noise = std::iter::successors(Some(7_u64), |last| {
        Some(last.wrapping_mul(0x5851_f42d_4c95_7f2d) + 1)
    });
    let noise: Vec<u8> = noise.map(|number| (number >> 56) as u8).take(2_000_000).collect();
    let big = |folder: &Path| std::fs::write(folder.join("big"), &noise).unwrap();
    let busy = den.prepare("main-1", Some(&origin)).await.unwrap();
    // In use, with work, and ignored work: none of these goes.
    let with_work = den.prepare("main-2", Some(&origin)).await.unwrap();
    big(with_work.folder());
    drop(with_work);
    let error = den.prepare("main-9", Some(&origin)).await.unwrap_err();
    assert_eq!(error.state(), (RunState::Failed, Reason::WorkspacesFull), "{error}");
    assert!(den.root().join("main-2/big").exists() && busy.folder().join("README").exists());
    // What there is can always be used again.
    drop(den.prepare("main-2", Some(&origin)).await.unwrap());
    drop(busy);
    // Committed work is work, too, also where nobody looks at once.
    for script in [
        "mv big kept; git add kept; git commit -qm work",
        "git switch -qc aside; git switch -q -",
        "git reset -q --hard HEAD~",
    ] {
        let workspace = Arc::new(den.prepare("main-2", Some(&origin)).await.unwrap());
        let played = den.play(&workspace, &["sh", "-ec", script]).await;
        assert_eq!(played.end.state, RunState::Succeeded, "{script}: {played:#?}");
        drop(workspace);
        assert!(den.prepare("main-9", Some(&origin)).await.is_err(), "{script}");
        assert!(den.root().join("main-2").exists(), "{script}: committed work is gone");
    }
    assert!(!den.root().join("main-1").exists(), "an idle one without work stays");
}

#[tokio::test]
async fn an_idle_one_without_work_makes_room_and_the_longest_unused_goes_first() {
    if !has_git() || !has_sandbox() {
        return;
    }
    let mut bytes = 0;
    for measured in [false, true] {
        let den = Den::new(SandboxLevel::Strict, |_, options| {
            if measured {
                options.bytes_max = bytes;
            }
        })
        .await;
        let origin = den.repository("site");
        let minute = std::time::Duration::from_mins(1);
        for identifier in ["main-2", "main-1"] {
            drop(den.prepare(identifier, Some(&origin)).await.unwrap());
            den.house.clock.advance(minute);
        }
        if !measured {
            // As much as there is now is all that there may be.
            bytes = disk_bytes(&den.root());
            continue;
        }
        drop(den.prepare("main-3", Some(&origin)).await.unwrap());
        assert!(!den.root().join("main-2").exists(), "the longest unused stays");
        assert!(den.root().join("main-1").exists() && den.root().join("main-3").exists());
    }
}

/// Bytes on the disk, as `du` counts them.
fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let sizes = entries.map(|entry| {
        let found = entry.metadata().unwrap();
        let inside = if found.is_dir() { disk_bytes(&entry.path()) } else { 0 };
        found.blocks() * 512 + inside
    });
    sizes.sum()
}
