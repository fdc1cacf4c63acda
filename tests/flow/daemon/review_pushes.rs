//! An author pushes: the reviewer looks again, in a workspace that has followed, with a local
//! repository and the real git.

use super::playbooks::WORKER as WORKER_PLAYBOOK;
use super::review_loop::{Noting, finding, of_people, ready, settled};
use super::reviews::REVIEW;
use crate::support::daemon::Team;
use crate::support::den::{git, has_git, options};
use async_trait::async_trait;
use rota::domain::*;
use rota::model::{Call, Exchange, Heard, Model, ModelError, Reply};
use rota::runner::Workspaces;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Runs of different teams have the same names, and whoever ends one's programs ends the other's.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn repository(team: &Team) -> PathBuf {
    let path = std::fs::canonicalize(team.folder.path()).unwrap().join("site");
    std::fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "-q", "-b", "main"]);
    commit(&path, "fn main() {}\n", "first");
    git(&path, &["branch", "feature"]);
    path
}

fn commit(path: &Path, text: &str, message: &str) -> String {
    std::fs::write(path.join("main.rs"), text).unwrap();
    git(path, &["add", "."]);
    git(path, &["commit", "-q", "-m", message]);
    git(path, &["rev-parse", "HEAD"])
}

/// A reviewer with a workspace of the branch `main`, and a link to where people see it.
async fn team(looks: Vec<(Vec<Finding>, &'static str)>) -> (Team, Arc<Noting>, PathBuf) {
    let mut team = Team::new().await;
    let site = repository(&team);
    let workspace = format!(
        "[workspace]\nsource = {{ git = {site:?}, ref = \"main\" }}\nsandbox = \"none\"\n\
         link = \"https://git.example/site/blob/{{commit}}/{{path}}#L{{line}}\"\n[work]"
    );
    team.playbook("code-review", &of_people().replace("[work]", &workspace));
    let model = Noting::that(looks);
    team.models.insert("reviewer".to_owned(), Arc::clone(&model) as _);
    let root = std::fs::canonicalize(team.folder.path()).unwrap().join("state/workspaces");
    team.workspaces = Some(Arc::new(Workspaces::new(root, options())));
    (team, model, site)
}

fn looked_at(run: &Run) -> String {
    run.looked_at.clone().unwrap().commit.unwrap()
}

fn tree(team: &Team, task: TaskId) -> PathBuf {
    team.folder.path().join(format!("state/workspaces/main-{task}"))
}

#[tokio::test]
async fn a_push_wakes_the_reviewer_who_looks_at_what_was_pushed() {
    if !has_git() {
        return;
    }
    let _alone = ALONE.lock().await;
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let (team, model, site) =
        team(vec![(one, "changes_requested"), (vec![settled(1)], "approved")]).await;
    let first = git(&site, &["rev-parse", "HEAD"]);
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    life.run("code-review").await;
    let rounds = life.ledger.rounds(task).await.unwrap().unwrap();
    assert_eq!(rounds.commit.as_deref(), Some(first.as_str()));
    let told = &team.comments(task).await.last().unwrap().1.clone();
    let link = format!("[src/login.rs:10](https://git.example/site/blob/{first}/src/login.rs#L10)");
    assert!(told.contains(&link), "{told}");
    // Nothing was pushed, or to another branch only: nobody is woken.
    git(&site, &["checkout", "-q", "feature"]);
    commit(&site, "fn other() {}\n", "elsewhere");
    git(&site, &["checkout", "-q", "main"]);
    life.daemon.look_for_pushes().await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 1, "{runs:#?}");
    let second = commit(&site, "fn main() { safe() }\n", "second");
    life.daemon.look_for_pushes().await;
    life.daemon.look_for_pushes().await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert_eq!(looked_at(&runs[0]), second);
    let seen = std::fs::read_to_string(tree(&team, task).join("main.rs")).unwrap();
    assert_eq!(seen, "fn main() { safe() }\n", "the workspace followed");
    let prompt = &model.prompts()[1];
    assert!(prompt.contains(&format!("since commit {first}")), "{prompt}");
    assert_eq!(team.status(task).await, "Approved");
    // What was approved is not looked at any more.
    commit(&site, "fn main() { more() }\n", "third");
    life.daemon.look_for_pushes().await;
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    life.stop().await;
}

#[tokio::test]
async fn what_was_rewritten_is_followed_and_what_is_only_in_the_workspace_stays() {
    if !has_git() {
        return;
    }
    let _alone = ALONE.lock().await;
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let (team, model, site) = team(vec![(one, "changes_requested")]).await;
    let text = std::fs::read_to_string(team.folder.path().join("agents/code-review.toml")).unwrap();
    team.playbook("code-review", &text.replace("rounds = 3", "rounds = 9"));
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    life.run("code-review").await;
    let first = git(&site, &["rev-parse", "HEAD"]);
    std::fs::write(site.join("main.rs"), "fn main() { anew() }\n").unwrap();
    git(&site, &["commit", "-q", "-a", "--amend", "-m", "first, anew"]);
    let amended = git(&site, &["rev-parse", "HEAD"]);
    life.daemon.look_for_pushes().await;
    life.work().await;
    assert_eq!(looked_at(&life.runs(task).await[0]), amended);
    let kept = git(&tree(&team, task), &["rev-parse", &format!("refs/rota/seen/{first}")]);
    assert_eq!(kept, first);
    // Somebody has committed in the workspace: it stays there, and that is what is looked at.
    let own = commit(&tree(&team, task), "fn main() { mine() }\n", "mine");
    commit(&site, "fn main() { theirs() }\n", "theirs");
    life.daemon.look_for_pushes().await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!((runs.len(), looked_at(&runs[0])), (3, own));
    life.daemon.look_for_pushes().await;
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 3, "what was pushed is known, though it is not here");
    life.stop().await;
}

#[tokio::test]
async fn a_repository_that_is_gone_keeps_nothing_from_going_on() {
    if !has_git() {
        return;
    }
    let _alone = ALONE.lock().await;
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let (team, model, site) = team(vec![(one, "changes_requested")]).await;
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    life.run("code-review").await;
    std::fs::rename(&site, site.with_extension("gone")).unwrap();
    life.daemon.look_for_pushes().await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!(life.ledger.open_rounds().await.unwrap().len(), 1);
    life.stop().await;
}

/// An agent that commits in the workspace of its task, and hands its work over.
#[derive(Debug)]
struct Committing {
    tree: Mutex<PathBuf>,
    texts: Mutex<VecDeque<&'static str>>,
    commits: Mutex<Vec<String>>,
}

#[async_trait]
impl Model for Committing {
    fn describe(&self) -> String {
        "committing".to_owned()
    }

    async fn exchange(&self, _: &Exchange, _: &Heard<'_>) -> Result<Reply, ModelError> {
        let (tree, text) =
            (self.tree.lock().unwrap().clone(), self.texts.lock().unwrap().pop_front());
        self.commits.lock().unwrap().push(commit(&tree, text.unwrap(), "mine"));
        let args = Value::map([("outcome", "ready"), ("summary", "It is there.")]);
        Ok(Reply { calls: vec![Call::new("c1", "finish", args)], ..Reply::default() })
    }
}

#[tokio::test]
async fn of_an_agents_own_commits_the_second_look_is_only_at_those_since_the_first() {
    if !has_git() {
        return;
    }
    let _alone = ALONE.lock().await;
    let mut team = Team::new().await;
    let site = repository(&team);
    let source = format!("source = {{ git = {site:?}, ref = \"main\" }}\nsandbox = \"none\"");
    let workspace = format!("[workspace]\n{source}\n[work]");
    let worker = WORKER_PLAYBOOK.replace("assign = \"{{task.author}}\"\n", "");
    team.playbook("ai-worker", &worker.replace("[work]", &workspace));
    team.playbook("code-review", &REVIEW.replace("[work]", &workspace));
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let reviewer = Noting::that(vec![(one, "changes_requested"), (vec![settled(1)], "approved")]);
    team.models.insert("reviewer".to_owned(), Arc::clone(&reviewer) as _);
    let root = std::fs::canonicalize(team.folder.path()).unwrap().join("state/workspaces");
    team.workspaces = Some(Arc::new(Workspaces::new(root, options())));
    let task = team.task("Make it blue").await;
    let author = Arc::new(Committing {
        tree: Mutex::new(tree(&team, task)),
        texts: Mutex::new(VecDeque::from([
            "fn main() { blue() }\n",
            "fn main() { safe_blue() }\n",
        ])),
        commits: Mutex::default(),
    });
    team.models.insert("worker".to_owned(), Arc::clone(&author) as _);
    let life = team.start().await;
    reviewer.in_life(&life);
    life.run("ai-worker").await;
    life.run("code-review").await;
    // The findings go back to the agent, which takes the task again by itself.
    life.work().await;
    life.run("code-review").await;
    let commits = author.commits.lock().unwrap().clone();
    let runs = life.runs(task).await;
    assert_eq!((runs.len(), commits.len()), (4, 2), "{runs:#?}");
    assert_eq!([&runs[2], &runs[0]].map(looked_at), [commits[0].clone(), commits[1].clone()]);
    let prompt = &reviewer.prompts()[1];
    assert!(prompt.contains(&format!("since commit {}", commits[0])), "{prompt}");
    assert!(prompt.contains("It may panic."), "what is open is told: {prompt}");
    assert_eq!(git(&site, &["rev-list", "--count", "main"]), "1", "nothing was pushed");
    assert_eq!(team.status(task).await, "Approved");
    life.stop().await;
}
