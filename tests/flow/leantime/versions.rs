//! All releases that differ for a client, and databases that write numbers as texts.

use super::{Scene, unlimited};
use crate::support::leantime::{Options as Fake, Version};
use rota::board::{Board, Comments, People, Projects, Tasks};
use rota::domain::{CommentTarget, NewComment, TaskEdit, TaskQuery};

#[tokio::test]
async fn the_same_work_is_done_on_all_releases() {
    for version in Version::ALL {
        for numbers_as_strings in [false, true] {
            let s = Scene::new(Fake { version, numbers_as_strings, ..unlimited() }).await;
            let task = s.task("One").await;
            let edits = [
                TaskEdit::Assignee(Some(s.agent)),
                TaskEdit::Priority(Some(2)),
                TaskEdit::Storypoints(Some(0.5)),
                TaskEdit::Description("Now **this**".into()),
            ];
            let edited = s.board.edit_task(&s.marked(1), task.id, &edits).await.unwrap().after;
            assert_eq!(s.board.task(task.id).await.unwrap(), edited, "{version:?}");
            let on = CommentTarget::Task(task.id);
            let new = NewComment { on, text: "Done".into(), parent: None, rating: None };
            s.board.add_comment(&s.by(), new).await.unwrap();
            assert_eq!(s.latest().await.0, 6, "{version:?}");
            let rota::board::Directory { projects, people } = s.board.directory().await.unwrap();
            assert!(projects.contains_key(&s.project));
            assert!(people.iter().any(|person| person.id == s.agent), "{version:?} {people:?}");
            assert!(people.iter().any(|person| person.id.0 == s.hugo), "{version:?} {people:?}");
            let found = s.board.tasks(&TaskQuery::default()).await.unwrap().items;
            assert_eq!(found, [s.board.task(task.id).await.unwrap()]);
            s.board.delete_task(&s.by(), task.id).await.unwrap();
            assert!(s.board.task(task.id).await.is_err());
            assert!(s.board.projects().await.is_ok() && s.board.people().await.is_ok());
            let about = s.board.about().await.unwrap();
            assert_eq!(about.version.as_deref(), Some(version.name()));
            s.is_careful();
        }
    }
}

#[tokio::test]
async fn the_first_writes_at_once_succeed_on_all_releases() {
    for version in Version::ALL {
        let s = Scene::new(Fake { version, ..unlimited() }).await;
        let (one, two) = (s.task("One").await, s.task("Two").await);
        let edit = TaskEdit::Priority(Some(1));
        let (first, second) = tokio::join!(s.edit(&one, edit.clone()), s.edit(&two, edit));
        assert!(first.is_ok() && second.is_ok(), "{version:?} {first:?} {second:?}");
        s.is_careful();
    }
}
