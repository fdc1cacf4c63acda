//! Answers that are kept for as long as nobody commits.
//!
//! A question to the database costs two switches between threads, many times what the database itself
//! takes for a row. Whether anything was committed since an answer is known without asking: every
//! commit, by whichever process, writes a new header into the index of the write-ahead log, the file
//! `-shm` beside the board (<https://sqlite.org/walformat.html#walidxfmt>), before it is acknowledged.
//! SQLite decides by the same bytes whether what it has in memory is still right. An answer under which
//! that header stood still is the answer of this moment; where the file cannot be read, nothing is kept.
//!
//! Nothing tells so of a PostgreSQL without a question to it, which is as far as the one for the answer:
//! nothing is kept of its answers.

use super::super::Result;
use super::directory::Kept;
use super::unclosed;
use crate::domain::{Comment, Milestone};
use crate::domain::{
    CommentQuery, Member, MemberQuery, MilestoneQuery, Page, Task, TaskId, TaskQuery,
};
use std::any::Any;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So much is kept in all, by the answers' own reckoning; then all of it is let go.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// An answer that is larger is not kept.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// What an answer takes beside its texts.
const ANSWER_BYTES_MORE: usize = 256;
/// The header's length; it stands there twice.
const HEADER_BYTES: usize = 48;

/// A question whose answer is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Comments(CommentQuery),
    Directory,
    Members(MemberQuery),
    Milestones(MilestoneQuery),
    Task(TaskId),
    Tasks(Box<TaskQuery>),
}

impl Question {
    /// What it takes of memory, nearly: askers choose its texts.
    fn bytes(&self) -> usize {
        let more = match self {
            Self::Directory | Self::Task(_) => 0,
            Self::Comments(query) => query.projects.len() * 8,
            Self::Milestones(query) => query.projects.len() * 8,
            Self::Members(query) => (query.projects.len() + query.people.len()) * 8,
            Self::Tasks(query) => {
                let tags = [&query.tags_all, &query.tags_any, &query.tags_none];
                let tags = tags.into_iter().flatten().map(|tag| tag.len() + size_of::<String>());
                let after = query.after.as_ref().map_or(0, |cursor| cursor.0.len());
                let lists = query.ids.len() + query.projects.len() + query.statuses.len();
                let few = query.kinds.len() + query.kinds_of_status.len();
                let text = query.text.as_ref().map_or(0, String::len);
                size_of::<TaskQuery>() + tags.sum::<usize>() + after + (lists + few) * 8 + text
            }
        };
        size_of::<Self>() + more
    }
}

/// What is kept of answers, and up to which commit.
#[derive(Debug)]
pub(super) struct Memo {
    /// None where there is no such file.
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    index: Option<Arc<File>>,
    /// Under this header.
    header: Option<Header>,
    answers: HashMap<Question, Arc<dyn Any + Send + Sync>>,
    bytes: usize,
}

/// Changes with every commit.
type Header = [u8; HEADER_BYTES];

impl Memo {
    /// Of a board's file, which is there.
    pub(super) fn beside(file: &Path) -> Self {
        // Where SQLite makes its own: beside the file, not beside a link to it.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let mut path = file.into_os_string();
        path.push("-shm");
        Self { path: Some(path.into()), held: Mutex::default() }
    }

    /// Keeps nothing.
    pub(super) fn of_nothing() -> Self {
        Self { path: None, held: Mutex::default() }
    }

    /// The answer that is kept, or the one that is asked for and then kept.
    pub(super) async fn recall<A: Answer>(
        &self,
        question: Question,
        ask: impl Future<Output = Result<A>>,
    ) -> Result<A> {
        let Some(path) = &self.path else { return ask.await };
        // Whoever asks again and again lets others go on in between, as with a real question.
        tokio::task::consume_budget().await;
        let before = {
            let mut held = self.lock();
            let header = held.read(path);
            if let Some(kept) = header.and_then(|header| held.find(header, &question)) {
                return Ok(kept);
            }
            header
        };
        let answer = ask.await?;
        let mut held = self.lock();
        // Somebody who committed meanwhile may or may not be in the answer.
        if let Some(header) = before.filter(|_| held.read(path) == before) {
            held.keep(header, question, &answer);
        }
        Ok(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The header as it is now; none where there is no such file, or while it is being written.
    fn read(&mut self, path: &Path) -> Option<Header> {
        // It goes with the last connection, and the next one makes another, which begins alike.
        if self.index.as_ref().is_none_or(|file| unclosed::is_gone(file)) {
            self.forget();
            self.header = None;
            self.index = unclosed::opened(path).ok();
        }
        let mut both = [0; 2 * HEADER_BYTES];
        self.index.as_ref()?.read_exact_at(&mut both, 0).ok()?;
        let (first, second) = both.split_first_chunk::<HEADER_BYTES>()?;
        (first == second).then_some(*first)
    }

    fn find<A: Answer>(&mut self, header: Header, question: &Question) -> Option<A> {
        if self.header != Some(header) {
            self.forget();
            self.header = Some(header);
        }
        self.answers.get(question)?.downcast_ref::<A>().cloned()
    }

    fn keep<A: Answer>(&mut self, header: Header, question: Question, answer: &A) {
        let bytes = question.bytes() + answer.bytes() + ANSWER_BYTES_MORE;
        if self.header != Some(header) || bytes > ANSWER_BYTES_MAX {
            return;
        }
        if self.bytes + bytes > BYTES_MAX {
            self.forget();
        }
        if self.answers.insert(question, Arc::new(answer.clone())).is_none() {
            self.bytes += bytes;
        }
    }

    fn forget(&mut self) {
        self.answers = HashMap::new();
        self.bytes = 0;
    }
}

/// What can be kept.
pub(super) trait Answer: Any + Clone + Send + Sync {
    /// What it takes of memory, nearly.
    fn bytes(&self) -> usize;
}

impl Answer for Task {
    fn bytes(&self) -> usize {
        let lists = self.tags.len() * 32 + self.collaborators.len() * 8 + self.blocked_by.len() * 8;
        let fields = self.fields.len() * 128;
        let texts = [&self.headline, &self.description, &self.acceptance_criteria];
        size_of::<Self>() + lists + fields + texts.iter().map(|text| text.len()).sum::<usize>()
    }
}

impl Answer for Comment {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }
}

impl Answer for Member {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Answer for Milestone {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.headline.len() + self.color.len()
    }
}

impl<T: Answer> Answer for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(Answer::bytes).sum()
    }
}

impl<T: Answer> Answer for Page<T> {
    fn bytes(&self) -> usize {
        self.items.bytes()
    }
}

impl Answer for Kept {
    // Its lists are held by the directory in any case.
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{BoardError, People, Projects, Tasks};
    use super::super::SqlBoard;
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::{
        BoardName, NewPerson, NewProject, NewTask, PersonId, PersonKind, Role, Stamp, TaskEdit,
        from_millis,
    };
    use std::sync::atomic::{AtomicUsize, Ordering};

    async fn board(path: &Path) -> SqlBoard {
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        SqlBoard::open(path, BoardName::new("main"), clock).await.unwrap()
    }

    async fn team(path: &Path) -> (SqlBoard, Task) {
        let board = board(path).await;
        let by = Stamp::by(PersonId(1));
        let (kind, role) = (PersonKind::Person, Role::Editor);
        let ann = NewPerson { name: "Ann".into(), email: None, kind, role };
        board.add_person(&by, ann).await.unwrap();
        let new = NewProject { name: "Alpha".into(), details: String::new(), statuses: Vec::new() };
        let alpha = board.add_project(&by, new).await.unwrap().after.id;
        let task = board.add_task(&by, NewTask::new(alpha, "One")).await.unwrap().after;
        (board, task)
    }

    /// How often the database was asked for the task.
    struct Asked<'a>(&'a SqlBoard, TaskId, AtomicUsize);

    impl Asked<'_> {
        async fn headline(&self) -> String {
            let Self(board, id, count) = self;
            let ask = async {
                count.fetch_add(1, Ordering::SeqCst);
                let found = super::super::tasks::find(&mut board.reader().await?, *id).await?;
                found.ok_or(BoardError::NotFound { what: String::new() })
            };
            let task: Task = board.memo.recall(Question::Task(*id), ask).await.unwrap();
            task.headline
        }

        fn count(&self) -> usize {
            self.2.load(Ordering::SeqCst)
        }
    }

    async fn rename(board: &SqlBoard, task: &Task, to: &str) {
        let edit = [TaskEdit::Headline(to.to_owned())];
        board.edit_task(&Stamp::by(PersonId(1)), task.id, &edit).await.unwrap();
    }

    #[tokio::test]
    async fn the_database_is_asked_once_until_somebody_commits_in_whichever_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.db");
        let (ours, task) = team(&path).await;
        let asked = Asked(&ours, task.id, AtomicUsize::new(0));
        for _ in 0..3 {
            assert_eq!(asked.headline().await, "One");
        }
        assert_eq!(asked.count(), 1);
        rename(&ours, &task, "Two").await;
        for _ in 0..3 {
            assert_eq!(asked.headline().await, "Two");
        }
        assert_eq!(asked.count(), 2);
        let others = board(&path).await;
        for round in 0..50 {
            let name = format!("of others {round}");
            rename(&others, &task, &name).await;
            assert_eq!(asked.headline().await, name);
            assert_eq!(asked.headline().await, name);
        }
        assert_eq!(asked.count(), 52);
        // The log is written back and begun anew.
        sqlx::raw_sql("pragma wal_checkpoint(truncate)")
            .execute(others.database.file_writer().unwrap())
            .await
            .unwrap();
        assert_eq!(asked.headline().await, "of others 49");
        rename(&others, &task, "the first of a new log").await;
        assert_eq!(asked.headline().await, "the first of a new log");
        others.close().await;
        assert_eq!(asked.headline().await, "the first of a new log");
    }

    #[tokio::test]
    async fn an_answer_during_which_somebody_committed_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (board, task) = team(&folder.path().join("board.db")).await;
        let recall =
            |answer: Task| board.memo.recall(Question::Task(task.id), async { Ok(answer) });
        let overtaken = board.memo.recall(Question::Task(task.id), async {
            let old = board.task(TaskId(task.id.0)).await?;
            rename(&board, &task, "Two").await;
            Ok(old)
        });
        assert_eq!(overtaken.await.unwrap().headline, "One");
        let asked_again = Task { headline: "asked again".into(), ..task.clone() };
        assert_eq!(recall(asked_again).await.unwrap().headline, "asked again");
    }

    #[tokio::test]
    async fn where_the_index_cannot_be_read_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (board, task) = team(&folder.path().join("board.db")).await;
        let elsewhere = Memo::beside(&folder.path().join("not there"));
        for headline in ["first", "second"] {
            let answer = Task { headline: headline.into(), ..task.clone() };
            let found = elsewhere.recall(Question::Task(task.id), async { Ok(answer) }).await;
            assert_eq!(found.unwrap().headline, headline);
        }
        drop(board);
    }

    #[tokio::test]
    async fn a_board_behind_a_link_is_watched_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (there, link) = (folder.path().join("there.db"), folder.path().join("link.db"));
        drop(team(&there).await.0);
        std::os::unix::fs::symlink(&there, &link).unwrap();
        // One that was left beside the link changes no more.
        std::fs::write(folder.path().join("link.db-shm"), vec![7; 32 * 1024]).unwrap();
        let ours = board(&link).await;
        let task = ours.task(TaskId(1)).await.unwrap();
        let asked = Asked(&ours, task.id, AtomicUsize::new(0));
        for name in ["Two", "Three"] {
            rename(&ours, &task, name).await;
            assert_eq!([asked.headline().await, asked.headline().await], [name, name]);
        }
        assert_eq!(asked.count(), 2);
    }

    #[tokio::test]
    async fn long_questions_count_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let (board, task) = team(&folder.path().join("board.db")).await;
        for number in 0..100 {
            let text = Some(format!("{number}{}", "x".repeat(60_000)));
            let tags_any = vec!["y".repeat(60_000)];
            let query = TaskQuery { tags_any, text, ..TaskQuery::default() };
            let nothing = Page::<Task> { items: Vec::new(), next: None };
            let question = Question::Tasks(Box::new(query));
            board.memo.recall(question, async { Ok(nothing) }).await.unwrap();
            let held = board.memo.lock();
            assert!(held.bytes >= held.answers.len() * 120_000 && held.bytes <= BYTES_MAX);
        }
        drop(task);
    }

    #[tokio::test]
    async fn what_is_kept_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let (board, task) = team(&folder.path().join("board.db")).await;
        for (number, length) in (0..).zip([100_000, 600_000].into_iter().cycle().take(200)) {
            let answer = Task { description: "x".repeat(length), ..task.clone() };
            board.memo.recall(Question::Task(TaskId(number)), async { Ok(answer) }).await.unwrap();
            let held = board.memo.lock();
            let really: usize = held
                .answers
                .values()
                .map(|kept| kept.downcast_ref::<Task>().unwrap().description.len())
                .sum();
            assert!(really <= held.bytes && held.bytes <= BYTES_MAX, "{really} {}", held.bytes);
            assert_eq!(
                held.answers.contains_key(&Question::Task(TaskId(number))),
                length < 500_000
            );
        }
    }
}
