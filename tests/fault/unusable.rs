//! Local state that cannot be used, or not at once: what the real program says, with which exit code,
//! and that what an operator is told to do (docs/operations.md) brings everything back.

use super::checker::{Moment, acquit};
use super::disk::Disk;
use super::evidence::{Evidence, Known, rows as rows_of, with_store};
use super::planted::{copy, sql};
use super::scene::{TASK, add_task, recovers, rows, run_once, scene};
use super::skip;
use crate::support::rota::{Ran, Rota, until};
use rota::domain::{OccurrenceState, PlaybookName, Reason, StatusKind, Trigger};
use rota::store::{Batch, Store};
use std::path::Path;

/// What is typed in another folder, with its own state.
#[track_caller]
fn at(rota: &Rota, state: &Path, words: &[&str]) -> Ran {
    let mut command = rota.command(["--state"]);
    command.arg(state).args(words);
    Rota::finish(command)
}

/// Every one of them is refused like this, and nothing is changed by being asked.
#[track_caller]
fn all_say(rota: &Rota, state: &Path, says: &[&str]) {
    for words in [&["task", "list"][..], &["claims", "list"], &["serve"], &["task", "add", "No"]] {
        let ran = at(rota, state, words).ended(6);
        for text in says {
            assert!(ran.err.contains(text), "{words:?}: {text:?} is not in {ran:#?}");
        }
    }
}

fn damage(path: &Path, from: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() > from);
    bytes[from..].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
}

/// Everything of the board is in its one file.
fn checkpoint(state: &Path) {
    sql(state, "pragma wal_checkpoint(truncate)");
}

#[test]
fn a_board_of_a_newer_version_is_left_alone_and_works_with_its_own_program() {
    let rota = scene();
    checkpoint(&rota.state());
    sql(&rota.state(), "pragma user_version = 99");
    checkpoint(&rota.state());
    let before = rota.read_bytes("state/board.sqlite");
    all_say(&rota, &rota.state(), &["schema version 99, newer than 2", "use a newer program"]);
    assert!(rota.read_bytes("state/board.sqlite") == before, "the file was touched");
    let doctor = rota.run(["doctor"]).ended(1);
    assert!(doctor.out.contains("schema version 99"), "{doctor:#?}");
    sql(&rota.state(), "pragma user_version = 2");
    run_once(&rota, "").ok();
    rows(&rota).are_done();
}

#[test]
fn a_damaged_board_is_refused_and_a_copy_put_back_works_with_the_ledger() {
    let rota = scene();
    checkpoint(&rota.state());
    let copied = rota.path().join("copied");
    copy(&rota.state(), &copied);
    for from in [0, 8_192] {
        damage(&rota.state().join("board.sqlite"), from);
        all_say(&rota, &rota.state(), &["damaged", "restore it from a copy"]);
        let doctor = rota.run(["doctor"]).ended(1);
        assert!(doctor.out.contains("damaged"), "{doctor:#?}");
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(rota.state().join(format!("board.sqlite{suffix}")));
        }
        std::fs::copy(copied.join("board.sqlite"), rota.state().join("board.sqlite")).unwrap();
        rota.run(["doctor"]).ok();
    }
    run_once(&rota, "").ok();
    rows(&rota).are_done();
}

#[test]
fn a_damaged_ledger_is_moved_aside_and_everything_waits_for_a_person() {
    let rota = scene();
    run_once(&rota, "").ok();
    // A daemon that ends has exported everything.
    recovers(&rota);
    let fence = rows(&rota).claim.unwrap().fence;
    damage(&rota.state().join("store/data/db"), 0);
    let listed = rota.run(["claims", "list"]).ok();
    assert!(listed.err.contains("moved aside") && listed.err.contains("start-all"), "{listed:#?}");
    let aside = std::fs::read_dir(rota.state()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(aside.into_iter().any(|name| name.to_string_lossy().contains("store.unusable-")));
    let found = rows(&rota);
    assert_eq!(found.claim.as_ref().unwrap().fence, fence, "the record is there again");
    assert_eq!((found.runs.len(), found.notices.len()), (1, 1), "{found:#?}");
    // Nothing begins before a person says so; then the fences go on above all that ever were.
    add_task(&rota);
    let second = |rota: &Rota| rota.run(["run-once", "worker", "--task", "3"]);
    let refused = second(&rota).ended(1);
    assert!(format!("{refused:?}").contains("stopped"), "{refused:#?}");
    rota.run(["start-all"]).ok();
    second(&rota).ok();
    let claims = Evidence::read(&rota.state(), Known::default()).claims;
    let highest = claims.values().map(|claim| claim.fence).max().unwrap();
    assert!(highest.0 > u64::from(u32::MAX), "{highest:?}");
    assert_eq!(claims[&TASK].fence, fence);
}

/// Comments every second.
const TICKER: &str = "description = \"Says it.\"\nagent = \"AI-Docs\"\n[on]\ncron = \"* * * * * *\"\n\
                      timezone = \"Europe/Berlin\"\n[[step]]\ntool = \"addComment\"\n\
                      args = { module = \"ticket\", entityId = 1, text = \"tick\" }\n\
                      [scope]\nwrite = \"board\"\n";

#[test]
fn instants_between_the_last_export_and_the_restore_are_accounted_as_lost() {
    let rota = scene();
    rota.write("agents/ticker.toml", TICKER);
    let ticks = |rota: &Rota| {
        let serving = rota.serve(Vec::<&str>::new());
        serving.wait_for_log("ticker: succeeded");
        serving
    };
    assert_eq!(ticks(&rota).stop(), 0);
    // A life that dies before it has exported, and takes the ledger with it.
    let mut serving = ticks(&rota);
    until("further instants", || {
        (serving.log().matches("ticker: succeeded").count() > 2).then_some(())
    });
    serving.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(serving.wait(), -1);
    damage(&rota.state().join("store/data/db"), 0);
    // It is restored by a command, and started again before a daemon has looked.
    rota.run(["claims", "list"]).ok();
    rota.run(["start-all"]).ok();
    assert_eq!(ticks(&rota).stop(), 0);
    let known = Known {
        paces: [(PlaybookName::new("ticker"), std::time::Duration::from_secs(1))].into(),
        ..Known::default()
    };
    let evidence = Evidence::read(&rota.state(), known);
    let lost = OccurrenceState::Skipped { reason: Reason::LostLedger };
    assert!(evidence.occurrences.iter().any(|o| o.state == lost), "{:#?}", evidence.occurrences);
    let holes = super::checker::judge(&evidence, Moment::Any);
    let holes = holes.iter().filter(|f| f.wrong == super::checker::Wrong::OccurrenceMissing);
    assert_eq!(holes.count(), 0);
}

#[test]
fn the_second_daemon_on_a_folder_is_told_who_has_it_and_the_first_goes_on() {
    let rota = scene();
    let first = rota.serve(Vec::<&str>::new());
    let second = rota.run(["serve"]).ended(6);
    let process = format!("process {}", first.pid());
    assert!(second.err.contains("is in use by") && second.err.contains(&process), "{second:#?}");
    assert!(second.err.contains("--state"), "{second:#?}");
    run_once(&rota, "").ok();
    assert_eq!(first.stop(), 0);
    rows(&rota).are_done();
}

#[test]
fn a_configuration_that_goes_away_under_a_daemon_changes_nothing_before_its_end() {
    let rota = scene();
    let config = rota.read("rota.toml");
    let serving = rota.serve(Vec::<&str>::new());
    std::fs::remove_file(rota.path().join("rota.toml")).unwrap();
    serving.signal(nix::sys::signal::Signal::SIGHUP);
    run_once(&rota, "").ok();
    assert!(rota.run(["status"]).ok().out.contains("serving since"));
    assert_eq!(serving.stop(), 0);
    let refused = rota.run(["--config", "rota.toml", "serve"]).ended(3);
    assert!(refused.err.contains("cannot be read") && refused.err.contains("rota.toml"));
    let bare = rota.serve(Vec::<&str>::new());
    bare.wait_for_log("there is no rota.toml");
    assert_eq!(bare.stop(), 0);
    rota.write("rota.toml", &config);
    recovers(&rota);
    rows(&rota).are_done();
}

#[test]
fn a_state_folder_that_cannot_be_written_is_refused_and_untouched() {
    let disk = match Disk::memory(16 * 1024) {
        Ok(disk) => disk,
        Err(why) => return skip(&format!("no disk of its own: {why}")),
    };
    let rota = scene();
    let state = disk.path().join("state");
    copy(&rota.state(), &state);
    disk.remount("ro");
    all_say(&rota, &state, &["local state cannot be used", "Read-only file system"]);
    let doctor = at(&rota, &state, &["doctor"]).ended(1);
    assert!(doctor.out.contains("cannot be written"), "{doctor:#?}");
    disk.remount("rw");
    at(&rota, &state, &["run-once", "worker", "--task", "1"]).ok();
    assert!(at(&rota, &state, &["task", "show", "1"]).ok().out.contains("Ready for Review"));
}

/// Nothing more fits on the disk until the file is removed.
fn fill(disk: &Disk) -> std::path::PathBuf {
    use std::io::Write as _;
    let path = disk.path().join("fill");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
    path
}

#[test]
fn a_disk_that_fills_up_under_a_daemon_loses_nothing_and_is_no_reason_to_start_it_again() {
    let disk = match Disk::memory(8 * 1024) {
        Ok(disk) => disk,
        Err(why) => return skip(&format!("no small disk: {why}")),
    };
    let rota = scene();
    let state = disk.path().join("state");
    copy(&rota.state(), &state);
    let serving = rota.serve(["--state", &state.display().to_string()]);
    let full = fill(&disk);
    let refused = at(&rota, &state, &["task", "add", "Two"]);
    assert!([4, 6].contains(&refused.code), "{refused:#?}");
    let told = refused.err.contains("the disk is full") || refused.err.contains("did not answer");
    assert!(told, "{refused:#?}");
    std::fs::remove_file(full).unwrap();
    until("a task that is taken in again", || {
        let ran = at(&rota, &state, &["task", "add", "Two"]);
        (ran.code == 0).then_some(())
    });
    at(&rota, &state, &["run-once", "worker", "--task", "1"]).ok();
    assert_eq!(serving.stop(), 0);
    let evidence = Evidence::read(&state, Known { told: rota.read("told.md"), ..Known::default() });
    let board: Vec<_> = evidence.tasks.iter().map(|(task, _)| task.headline.as_str()).collect();
    assert_eq!(board, ["Do it", "Two", "A part"], "what was refused is there");
    let kind = evidence.tasks.iter().find(|(task, _)| task.id == TASK).unwrap().1;
    assert_eq!(kind, StatusKind::Waiting);
    acquit(&evidence, Moment::AtRest);
}

#[test]
fn the_doctor_counts_the_instants_and_finds_the_one_without_a_record() {
    let rota = scene();
    rota.write("agents/ticker.toml", TICKER);
    let mut serving = rota.serve(Vec::<&str>::new());
    until("some instants", || {
        (serving.log().matches("ticker: succeeded").count() > 2).then_some(())
    });
    let busy = rota.run(["doctor"]).ok();
    assert!(busy.out.contains("a daemon has the ledger open"), "{busy:#?}");
    serving.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(serving.wait(), 0);
    let line = |ran: &Ran| {
        let lines: Vec<_> = ran.out.lines().filter(|l| l.contains("occurrences")).collect();
        assert_eq!(lines.len(), 1, "{ran:#?}");
        lines[0].to_owned()
    };
    let well = line(&rota.run(["doctor"]).ok());
    let planned = Evidence::read(&rota.state(), Known::default()).occurrences.len();
    assert!(well.starts_with("ok"), "{well}");
    assert!(well.contains("instants of the last 7 days accounted for"), "{well}");
    assert!(planned > 2, "{planned}");
    let lost = lose_an_instant(&rota.state());
    let ill = line(&rota.run(["doctor"]).ok());
    assert!(ill.starts_with("warn") && ill.contains("ticker"), "{ill}");
    assert!(ill.contains("1 planned instants without a record") && ill.contains(&lost), "{ill}");
}

/// Takes the record of an instant in the middle away; which instant that was.
fn lose_an_instant(state: &Path) -> String {
    let evidence = Evidence::read(state, Known::default());
    let mut instants = evidence.occurrences;
    instants.retain(|o| o.trigger == Trigger::Cron && o.covers.is_none());
    instants.sort_by_key(|occurrence| occurrence.planned);
    let lost = instants[instants.len() / 2].clone();
    with_store(state, async |store: &dyn Store| {
        let all = rows_of(store, "occurrence/").await;
        let id = format!("\"{}\"", lost.id);
        let fits = |value: &[u8]| String::from_utf8_lossy(value).contains(&id);
        let (key, _) = all.iter().find(|(_, value)| fits(value)).unwrap();
        store.commit(Batch::new().delete(key.as_str())).await.unwrap();
    });
    lost.planned.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Says so much that the ledger's log grows by more than it has set aside.
fn talker() -> (String, String) {
    let playbook = "agent = \"AI-Docs\"\n[work]\nrunner = \"model\"\nmodel = \"talker\"\n\
                    prompt = \"talk.md.hbs\"\ntools = [\"getTicket\", \"finish\"]\n[outcome.ready]\n\
                    [limits]\nturns = 500\nattempts = 1\n";
    let mut script = "[[conversation]]\n".to_owned();
    for turn in 0..400 {
        let say = format!("{turn} ").repeat(1_000);
        let turn = format!(
            "[[conversation.turn]]\nsay = \"{say}\"\n\
             call = [{{ tool = \"getTicket\", args = {{ id = 1 }} }}]\n"
        );
        script.push_str(&turn);
    }
    (playbook.to_owned(), script)
}

#[test]
fn a_ledger_that_can_take_no_more_ends_the_daemon_which_says_what_to_do() {
    let disk = match Disk::memory(8 * 1024) {
        Ok(disk) => disk,
        Err(why) => return skip(&format!("no small disk: {why}")),
    };
    let rota = scene();
    let (playbook, script) = talker();
    rota.write("agents/talker.toml", &playbook);
    rota.write("templates/talk.md.hbs", "Talk.");
    rota.write("talker.toml", &script);
    let model = "[models.talker]\nkind = \"scripted\"\nscript = \"talker.toml\"\n";
    rota.write("rota.toml", &(rota.read("rota.toml") + model));
    let state = disk.path().join("state");
    copy(&rota.state(), &state);
    let mut serving = rota.serve(["--state", &state.display().to_string()]);
    let full = fill(&disk);
    let asked = at(&rota, &state, &["run-once", "talker"]);
    assert_ne!(asked.code, 0, "{asked:#?}");
    assert_eq!(serving.wait(), 6, "{}", serving.log());
    let log = serving.log();
    for text in ["local state failed", "No space left on device", "make room", "start it again"] {
        assert!(log.contains(text), "{text:?} is not in {log}");
    }
    std::fs::remove_file(full).unwrap();
    let again = rota.serve(["--state", &state.display().to_string()]);
    at(&rota, &state, &["run-once", "worker", "--task", "1"]).ok();
    assert_eq!(again.stop(), 0);
    let evidence = Evidence::read(&state, Known { told: rota.read("told.md"), ..Known::default() });
    acquit(&evidence, Moment::AtRest);
}
