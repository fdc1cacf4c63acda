//! People who edit at random, and in the end look after what waits for them.

use super::machines::House;
use super::world::World;
use crate::support::daemon::{ADA, BO, WEBSITE};
use rota::domain::*;

const STOP: &str = "@agent stop";

/// Who changes what on the board.
pub struct Crowd {
    pub house: House,
    pub statuses: Vec<StatusId>,
    pub tasks: Vec<TaskId>,
}

impl Crowd {
    fn world(&self) -> &World {
        &self.house.world
    }

    pub async fn add_task(&mut self) {
        let new = NewTask::new(WEBSITE, format!("Task {}", self.tasks.len()))
            .with(TaskEdit::AddTag("AI-Suitable".into()))
            .with(TaskEdit::AcceptanceCriteria("It works.".into()));
        let task = self.house.board.add_task(&Stamp::by(ADA), new).await.unwrap().after;
        self.world().note(|| format!("Ada adds {}", task.id));
        self.tasks.push(task.id);
    }

    /// Somebody does something.
    pub async fn act(&mut self) {
        if self.tasks.len() < 8 && self.world().below(10) == 0 {
            return self.add_task().await;
        }
        let below = |n: usize| usize::try_from(self.world().below(n as u64)).unwrap();
        let task = self.tasks[below(self.tasks.len())];
        match self.world().below(12) {
            0 => self.edit(task, TaskEdit::Assignee(Some(BO))).await,
            1 | 2 => self.edit(task, TaskEdit::Assignee(None)).await,
            3 | 4 => {
                let status = self.statuses[below(self.statuses.len())];
                self.edit(task, TaskEdit::Status(status)).await;
            }
            5 => self.edit(task, TaskEdit::AddTag("AI-Stop".into())).await,
            6 => self.edit(task, TaskEdit::RemoveTag("AI-Stop".into())).await,
            7 => self.say(task, STOP).await,
            8 => self.say(task, "Green, please.").await,
            9 => self.edit(task, TaskEdit::Headline(format!("Anew {}", below(1_000)))).await,
            _ => self.release(task).await,
        }
    }

    /// As whoever opens a task again for the agents does it.
    async fn release(&self, task: TaskId) {
        self.edit(task, TaskEdit::RemoveTag("AI-Stop".into())).await;
        self.edit(task, TaskEdit::Assignee(None)).await;
        self.edit(task, TaskEdit::Status(self.statuses[0])).await;
    }

    async fn edit(&self, task: TaskId, edit: TaskEdit) {
        self.world().note(|| format!("Ada edits {task}: {edit:?}"));
        let written = self.house.board.edit_task(&Stamp::by(ADA), task, &[edit]).await.unwrap();
        self.world().judge().person_acted(&written.after);
    }

    async fn say(&self, task: TaskId, text: &str) {
        self.world().note(|| format!("Ada says on {task}: {text}"));
        let on = CommentTarget::Task(task);
        let new = NewComment { on, text: text.to_owned(), parent: None, rating: None };
        let said = self.house.board.add_comment(&Stamp::by(ADA), new).await.unwrap().after;
        if text == STOP {
            self.world().judge().person_said_stop(task, said.id);
        }
    }

    /// Answers what is asked, once.
    pub async fn answer(&self, parked: &[TaskId]) {
        for task in parked {
            self.say(*task, "Green, please.").await;
        }
    }
}
