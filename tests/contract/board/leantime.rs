//! Leantime, played by the fake or, where one is named, a real one: how its world is made, and which
//! cases are not held against it.

use super::{World, noon, person, project};
use crate::support::asked::skip;
use crate::support::leantime::{FakeLeantime, Options as Fake, Role as FakeRole};
use crate::support::leantime_server::{Server, real};
use rota::board::leantime::LeantimeBoard;
use rota::board::leantime::notebook::MemoryNotebook;
use rota::board::leantime::options::{Credential, Options};
use rota::board::{Board, Capabilities};
use rota::clock::ManualClock;
use rota::domain::{BoardName, NewPerson, PersonId, Role, Stamp, TaskQuery};
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use std::time::Duration;

fn bearer(fake: &FakeLeantime, user: i64) -> Credential {
    Credential::read(&fake.add_token(user)).unwrap()
}

/// Whether a board can do something, what that is called, and the cases that are about it.
type Ability = (fn(Capabilities) -> bool, &'static str, &'static [&'static str]);

/// Cases about what a board may say that it cannot do.
const BY_CAPABILITY: &[Ability] = &[
    (
        |can| can.steps,
        "steps",
        &[
            "several_writes_happen_in_their_order_each_under_its_own_stamp",
            "if_one_of_several_fails_none_of_them_happened_and_it_is_named",
            "several_writes_see_those_before_them",
            "several_writes_are_done_once_under_their_marks",
            "several_writes_are_refused_under_an_older_fence",
            "more_writes_than_fit_in_one_step_are_refused",
        ],
    ),
    (
        |can| can.goal_boards,
        "goal_boards",
        &[
            "a_goal_board_with_goals_does_not_go",
            "a_goal_changes_under_its_own_revision",
            "a_goal_is_commented_on",
            "a_goal_is_kept_whole",
            "a_goal_is_never_a_part_of_itself",
            "edits_of_goals_and_their_inverses_come_back_to_the_start",
            "goals_are_found_by_project_board_milestone_and_parent",
            "goals_come_in_pages_by_id",
            "parts_stay_and_comments_go_when_a_goal_goes",
            "what_makes_no_goal_is_malformed",
            "a_mark_of_one_noun_is_a_conflict_for_another",
            "every_write_of_a_noun_is_done_once_under_one_mark",
            "every_write_of_a_noun_is_refused_under_an_older_fence",
        ],
    ),
    (
        |can| can.labels,
        "labels",
        &[
            "a_label_that_tasks_have_cannot_be_left_out",
            "a_project_has_labels_of_its_own",
            "what_a_label_means_can_change",
        ],
    ),
    (
        |can| can.project_roles,
        "project_roles",
        &[
            "a_change_of_members_is_one_of_the_project",
            "a_project_that_lists_nobody_is_everybodys",
            "members_are_on_the_board",
            "members_come_in_pages",
            "members_have_a_role_or_that_of_the_board",
        ],
    ),
    (
        |can| can.fencing && can.marks && can.actors,
        "fencing, marks or actors",
        &["a_board_knows_its_name_and_what_it_can_do"],
    ),
];

/// Cases that the server itself does not allow; `tests/flow/leantime` has others for what is left.
const BY_NAME: &[(&str, &str)] = &[
    ("texts_and_lists_are_bounded", "all tags of a ticket share 255 characters"),
    ("hostile_texts_come_back_to_the_byte", "a tag cannot hold a comma"),
    ("names_are_taken_without_regard_to_case", "a server begins with a user and a project"),
    ("people_are_kept_whole", "no two users have one address"),
];

/// Why a case is not held against the board; nothing for most.
fn why_not(can: Capabilities, case: &str) -> Option<String> {
    let lack = BY_CAPABILITY.iter().find(|(has, _, cases)| !has(can) && cases.contains(&case));
    let named = BY_NAME.iter().find(|(name, _)| *name == case);
    lack.map(|(_, lack, _)| format!("it says that it has no {lack}"))
        .or_else(|| named.map(|(_, why)| (*why).to_owned()))
}

impl World {
    /// Ann, Bob and Cleo act under their own names; a program with an admin's key reads.
    pub(crate) async fn leantime() -> (Self, FakeLeantime) {
        let fake = FakeLeantime::start(Fake {
            rate_per_minute: Some(1_000_000),
            zone: chrono_tz::UTC,
            ..Fake::default()
        })
        .await;
        let (reader, key) = fake.add_key("Rota", FakeRole::Admin, &[]);
        let mut options = Options::new(fake.url(), Credential::read(&key).unwrap());
        options.requests_per_minute = 1_000_000;
        options.look_every = Duration::ZERO;
        // Users get ids in order: whose token it will be is known before they are there.
        options.identities = (3..=5).map(|id| (PersonId(id), bearer(&fake, id))).collect();
        let clock = Arc::new(ManualClock::at(noon()));
        let notes = Arc::new(MemoryNotebook::default());
        let name = BoardName::new("main");
        let board = LeantimeBoard::open(options, notes, name, clock.clone()).unwrap();
        let board: Arc<dyn Board> = Arc::new(board);
        let first = Stamp::by(PersonId(reader));
        let mut people = Vec::new();
        for name in ["Ann", "Bob", "Cleo"] {
            let new = NewPerson { role: Role::Admin, ..person(name) };
            people.push(board.add_person(&first, new).await.unwrap().after.id);
        }
        let by = Stamp::by(people[0]);
        let alpha = board.add_project(&by, project("Alpha")).await.unwrap().after.id;
        let beta = board.add_project(&by, project("Beta")).await.unwrap().after.id;
        let (ann, bob) = (people[0], people[1]);
        let folder = tempfile::tempdir().unwrap();
        (Self { board, below: None, clock, ann, bob, alpha, beta, folder, team: None }, fake)
    }
}

/// Cases that only hold where nobody else ever was: they count what was made before them, or name
/// numbers and names that somebody has by now.
const ALONE: &[&str] = &[
    "activity_comes_in_pages_in_both_directions",
    "an_answer_is_on_the_same_thing",
    "every_kind_of_write_is_done_once_under_one_mark",
    "milestones_change_under_their_own_revision",
    "unknown_people_are_refused",
    "what_makes_no_event_is_malformed",
    "what_makes_no_sprint_is_malformed",
    "what_makes_no_time_is_malformed",
    "what_makes_no_timer_is_malformed",
    "wide_questions_are_answered_and_wider_ones_refused",
];

impl World {
    /// A world of its own among others on one server: Ann sees the projects that she is in, which are
    /// hers alone. The others write as admins.
    pub(crate) async fn leantime_among_others(server: &Server) -> Self {
        let ann = server.user("Ann", Role::Manager, &[]).await;
        let bob = server.user("Bob", Role::Admin, &[]).await;
        let cleo = server.user("Cleo", Role::Admin, &[]).await;
        let mut options = server.options(ann.key.expose_secret());
        for other in [&bob, &cleo] {
            let credential = Credential::read(other.key.expose_secret()).unwrap();
            options.identities.insert(other.person, credential);
        }
        let clock = Arc::new(ManualClock::at(noon()));
        let (notes, name) = (Arc::new(MemoryNotebook::default()), BoardName::new("main"));
        let board = LeantimeBoard::open(options, notes, name, clock.clone()).unwrap();
        let board: Arc<dyn Board> = Arc::new(board);
        let by = Stamp::by(ann.person);
        let alpha = board.add_project(&by, project("Alpha")).await.unwrap().after.id;
        let beta = board.add_project(&by, project("Beta")).await.unwrap().after.id;
        let (ann, bob) = (ann.person, bob.person);
        let folder = tempfile::tempdir().unwrap();
        Self { board, below: None, clock, ann, bob, alpha, beta, folder, team: None }
    }
}

/// Real servers are asked by one case at a time: changes of others would be seen by each.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Runs a case, unless it is about something that the server cannot do; the fake saw nothing that a
/// careful client never does.
pub(crate) async fn hold<F: Future<Output = ()>>(case: &str, run: impl FnOnce(World) -> F) {
    if real().is_some() {
        return hold_among_others(&Server::any().await, case, run).await;
    }
    let (world, fake) = World::leantime().await;
    if let Some(why) = why_not(world.board.capabilities(), case) {
        println!("skipped over Leantime: {case}: {why}");
        return;
    }
    run(world).await;
    let violations = fake.violations();
    assert!(violations.is_empty(), "{violations:#?}");
}

async fn hold_among_others<F: Future<Output = ()>>(
    server: &Server,
    case: &str,
    run: impl FnOnce(World) -> F,
) {
    if ALONE.contains(&case) {
        return skip("it only holds on a server where nobody else ever was");
    }
    let _alone = ONE.lock().await;
    let world = World::leantime_among_others(server).await;
    if let Some(why) = why_not(world.board.capabilities(), case) {
        return skip(&why);
    }
    run(world).await;
    server.is_careful();
}

#[tokio::test]
async fn a_world_among_others_is_one_of_its_own() {
    let server = Server::fake().await;
    for _ in 0..2 {
        hold_among_others(&server, "of this test", |world| async move {
            let task = world.task("Tune").await;
            assert_eq!(world.find(TaskQuery::default()).await, [task.id]);
            assert_eq!(world.board.projects().await.unwrap().len(), 2);
        })
        .await;
    }
}

#[test]
fn a_real_leantime_is_asked_where_one_is_named() {
    if real().is_none() {
        skip("the contract of the board over a real Leantime: ROTA_TEST_LEANTIME_URL is not set");
    }
}
