//! Who acts under a name of their own has a queue of their own.

use super::{Scene, unlimited};
use crate::support::leantime::{Options as Fake, Role};
use rota::board::leantime::options::Credential;
use rota::board::{BoardError, Comments};
use rota::domain::{CommentTarget, NewComment, PersonId, Stamp, TaskId};
use std::time::Duration;

impl Scene {
    /// A program in the project, and its key.
    fn program(&self, name: &str) -> (PersonId, Credential) {
        let (id, key) = self.fake.add_key(name, Role::Editor, &[self.project.0]);
        (PersonId(id), Credential::read(&key).unwrap())
    }

    async fn says(&self, who: PersonId, task: TaskId) -> rota::board::Result<PersonId> {
        let (on, text) = (CommentTarget::Task(task), "Hello".to_owned());
        let new = NewComment { on, text, parent: None, rating: None };
        Ok(self.board.add_comment(&Stamp::by(who), new).await?.after.author)
    }
}

#[tokio::test]
async fn the_limit_of_one_identity_holds_up_no_other() {
    let limited = Fake { rate_per_minute: Some(30), ..Fake::default() };
    let patience = Duration::from_millis(200);
    let mut s = Scene::with(limited, |options| options.patience = patience).await;
    let (violin, cello) = (s.program("Violin"), s.program("Cello"));
    s.options.identities = [violin.clone(), cello.clone()].into();
    s.reopen();
    let task = s.task("Play").await.id;
    // Another program with the same key uses all that the server allows.
    let mut options = s.options.clone();
    (options.credential, options.identities) = (violin.1, [].into());
    let other = super::open(&options, &s.notes, &s.clock);
    let mut asked = 0;
    while other.whose(None).await.is_ok() {
        asked += 1;
        assert!(asked < 100, "it was never limited");
    }
    let held_up = s.says(violin.0, task).await;
    assert!(matches!(held_up, Err(BoardError::RateLimited { .. })), "{held_up:?}");
    assert_eq!(s.says(cello.0, task).await.unwrap(), cello.0);
    assert_eq!(s.says(s.agent, task).await.unwrap(), s.agent);
    s.is_careful();
}

#[tokio::test]
async fn a_refused_key_of_one_identity_stops_no_other() {
    let mut s = Scene::new(unlimited()).await;
    let (violin, cello) = (s.program("Violin"), s.program("Cello"));
    s.options.identities = [violin.clone(), cello.clone()].into();
    let nobody = Credential::read("lt_nobody_nothing").unwrap();
    s.options.identities.insert(violin.0, nobody);
    s.reopen();
    let task = s.task("Play").await.id;
    for _ in 0..3 {
        let refused = s.says(violin.0, task).await;
        assert!(matches!(refused, Err(BoardError::Denied(_))), "{refused:?}");
    }
    assert_eq!(s.says(cello.0, task).await.unwrap(), cello.0);
    let refusals = s.fake.asked().iter().filter(|asked| asked.status == Some(401)).count();
    assert_eq!(refusals, 1);
    s.is_careful();
}

#[tokio::test]
async fn two_names_of_one_key_are_one_queue() {
    let mut s = Scene::new(unlimited()).await;
    let violin = s.program("Violin");
    let (alias, _) = s.program("Alias");
    s.options.identities = [violin.clone(), (alias, violin.1.clone())].into();
    s.reopen();
    let before = s.fake.asked().len();
    let task = s.task("Play").await.id;
    s.says(violin.0, task).await.unwrap();
    // It is the other's, and the server says so: what is written is not taken for done.
    assert!(s.says(alias, task).await.is_err());
    assert_eq!(usize::try_from(s.board.requests()).unwrap(), s.fake.asked().len() - before);
    s.is_careful();
}
