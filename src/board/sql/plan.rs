//! How a page of tasks is found: by which index, in which branches.
//!
//! A question is answered from one index that already has the order: for several projects, labels
//! or people, one branch each, of which each gives at most a page, merged. So the time of a page
//! depends on the size of the page, hardly on that of the board.

use super::columns::{at_or_after, kind_number};
use super::dialect::POSITION;
use super::text::{Bind, Sql};
use crate::board::check::{fold, fold_tag};
use crate::board::page::{self, LAST};
use crate::domain::{AssigneeFilter, Project, StatusKind, TaskOrder, TaskQuery};

/// Branches of one statement; a question that would need more walks the whole order.
const BRANCHES_MAX: usize = 60;
/// Tasks of a span of due dates that are sorted rather than walked past in another order.
pub(super) const SORTED_MAX: i64 = 5_000;

/// What leads to the tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Drive {
    /// What few tasks have: a column of the task.
    Column(&'static str, i64),
    /// Waiting for this task.
    Blocker(i64),
    /// These tasks.
    Tasks,
    /// Tags; the flag: they are those of `tags_any`.
    Tags(Vec<String>, bool),
    /// People, or nobody.
    Assignee(Vec<Option<i64>>),
    /// Projects with their labels.
    Labels(Vec<(i64, i64)>),
    /// All projects.
    Kinds,
    /// All projects, by due date, to be sorted into another order.
    Span,
}

/// One branch: the alias whose columns give order and due date, the tables, what joins them, and what is
/// equal.
struct Head {
    alias: &'static str,
    table: &'static str,
    /// Of that table.
    index: Option<String>,
    beside: &'static str,
    joined: &'static str,
    equal: Vec<(&'static str, Option<Bind>)>,
}

/// Found in the tasks alone.
fn of_tasks(index: Option<String>, equal: Vec<(&'static str, Option<Bind>)>) -> Head {
    Head { alias: "t", table: "tasks t", index, beside: "", joined: "true", equal }
}

/// One question for tasks, planned.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    query: &'a TaskQuery,
    drive: Drive,
    kinds: Vec<i64>,
}

impl<'a> Plan<'a> {
    /// `projects`: those that the question names.
    pub(super) fn new(query: &'a TaskQuery, projects: &[Project]) -> Self {
        let kinds: Vec<i64> = StatusKind::ALL
            .into_iter()
            .filter(|k| query.kinds_of_status.is_empty() || query.kinds_of_status.contains(k))
            .map(kind_number)
            .collect();
        let drive = drive(query, projects, kinds.len());
        Self { query, drive, kinds }
    }

    /// A statement that counts what a span of due dates holds, up to [`SORTED_MAX`] and one; if
    /// that is the question.
    pub(super) fn count_span(&self) -> Option<Sql> {
        let spans = self.query.due_from.is_some() || self.query.due_to.is_some();
        if self.drive != Drive::Kinds || self.query.order == TaskOrder::Due || !spans {
            return None;
        }
        let mut sql = Sql::new("select count(*) from (select 1 from tasks t");
        sql.indexed_by("tasks_by_kind_due").push(" where true");
        sql.and_ints("t.status_kind", self.kinds.iter().copied());
        due(&mut sql, self.query, "t");
        sql.push(" limit ").int(SORTED_MAX + 1).push(") s");
        Some(sql)
    }

    /// The span holds few tasks: sort them.
    pub(super) fn sort_span(&mut self) {
        self.drive = Drive::Span;
    }

    /// The statement for a page: after this place, without tasks that moved since this row.
    pub(super) fn page(
        &self,
        columns: &str,
        after: Option<(i64, i64)>,
        moved_since: Option<i64>,
        limit: usize,
    ) -> Sql {
        let mut sql = Sql::new("select ");
        sql.push(columns).push(" from (select u.id, u.k from (");
        self.branches(&mut sql, after, moved_since, limit);
        sql.push(") u order by u.k, u.id limit ").int(i64::try_from(limit).unwrap_or(i64::MAX));
        sql.push(") p cross join tasks t where t.id = p.id order by p.k, p.id");
        sql
    }

    /// The statement for the tasks that moved since this row, in no order.
    pub(super) fn moved(query: &TaskQuery, columns: &str, since: i64) -> Sql {
        let mut sql = Sql::new("select ");
        sql.push(columns).push(" from tasks t where t.id in ");
        moved_tasks(&mut sql, query.order, since);
        due(&mut sql, query, "t");
        let plan = Plan { query, drive: Drive::Kinds, kinds: Vec::new() };
        plan.rest(&mut sql);
        sql.and_ints("t.status_kind", query.kinds_of_status.iter().map(|k| kind_number(*k)));
        sql
    }

    fn branches(
        &self,
        sql: &mut Sql,
        after: Option<(i64, i64)>,
        moved_since: Option<i64>,
        limit: usize,
    ) {
        // A task with several of the tags comes from several branches: `union` keeps one.
        let word = if matches!(&self.drive, Drive::Tags(tags, _) if tags.len() > 1) {
            " union "
        } else {
            " union all "
        };
        let heads = self.heads();
        if heads.is_empty() {
            sql.push("select t.id, t.id as k from tasks t where false");
        }
        for (place, head) in heads.into_iter().enumerate() {
            sql.push(if place > 0 { word } else { "" });
            let alias = head.alias;
            let (id, key) = keys(alias, self.query.order);
            sql.push("select * from (select ").push(&id).push(" as id, ").push(&key);
            sql.push(" as k from ").push(head.table);
            if let Some(index) = &head.index {
                sql.indexed_by(index);
            }
            sql.push(head.beside).push(" where ").push(head.joined);
            for (column, value) in head.equal {
                match value {
                    Some(value) => sql.push(" and ").push(column).push(" = ").bind(&value),
                    None => sql.push(" and ").push(column).push(" is null"),
                };
            }
            due(sql, self.query, alias);
            self.rest(sql);
            if let Some(row) = moved_since {
                sql.push(" and t.id not in ");
                moved_tasks(sql, self.query.order, row);
            }
            match after {
                Some((_, last)) if self.query.order == TaskOrder::Id => {
                    sql.push(" and ").push(&id).push(" > ").int(last);
                }
                Some((place, last)) => {
                    sql.push(" and (").push(&key).push(", ").push(&id).push(") > (");
                    sql.int(place).push(", ").int(last).push(")");
                }
                None => {}
            }
            sql.push(" order by k, id limit ").int(i64::try_from(limit).unwrap_or(i64::MAX));
            sql.push(") branch");
        }
    }

    fn heads(&self) -> Vec<Head> {
        let order = word(self.query.order);
        let int = |number: i64| Some(Bind::Int(number));
        match &self.drive {
            Drive::Column(column, value) => {
                let index = format!("tasks_by_{}", column.trim_start_matches("t."));
                vec![of_tasks(Some(index), vec![(*column, int(*value))])]
            }
            Drive::Blocker(blocker) => vec![Head {
                alias: "t",
                table: "task_blockers b",
                index: None,
                beside: " cross join tasks t",
                joined: "t.id = b.task",
                equal: vec![("b.blocker", int(*blocker))],
            }],
            // Found by their ids, which the rest of the question names.
            Drive::Tasks => vec![of_tasks(None, Vec::new())],
            Drive::Tags(tags, _) => each(tags, &self.kinds, |tag, kind| Head {
                alias: "g",
                table: "task_tags g",
                index: Some(format!("task_tags_{order}")),
                beside: " cross join tasks t",
                joined: "t.id = g.task",
                equal: vec![
                    ("g.folded", Some(Bind::Text(tag.clone()))),
                    ("g.status_kind", int(kind)),
                ],
            }),
            Drive::Assignee(people) => each(people, &self.kinds, |who, kind| {
                let equal = vec![("t.assignee", who.map(Bind::Int)), ("t.status_kind", int(kind))];
                of_tasks(Some(format!("tasks_by_assignee_{order}")), equal)
            }),
            Drive::Labels(labels) => each(labels, &[0], |(project, status), _| {
                let equal = vec![("t.project", int(*project)), ("t.status", int(*status))];
                of_tasks(Some(format!("tasks_by_status_{order}")), equal)
            }),
            Drive::Kinds | Drive::Span => {
                let order = if self.drive == Drive::Span { "due" } else { order };
                each(&[()], &self.kinds, |(), kind| {
                    let equal = vec![("t.status_kind", int(kind))];
                    of_tasks(Some(format!("tasks_by_kind_{order}")), equal)
                })
            }
        }
    }

    /// What the drive does not say already.
    fn rest(&self, sql: &mut Sql) {
        let (query, drive) = (self.query, &self.drive);
        let labels = matches!(drive, Drive::Labels(_));
        if !labels {
            sql.and_ints("t.project", query.projects.iter().map(|id| id.0));
            sql.and_ints("t.status", query.statuses.iter().map(|id| id.0));
        }
        sql.and_ints("t.id", query.ids.iter().map(|id| id.0));
        if matches!(drive, Drive::Column(..) | Drive::Blocker(_) | Drive::Tasks) {
            sql.and_ints("t.status_kind", self.kinds.iter().copied());
        }
        sql.and_in("t.kind", query.kinds.iter().map(|k| Bind::Text(k.as_str().to_owned())));
        match &query.assignee {
            _ if matches!(drive, Drive::Assignee(_)) => {}
            AssigneeFilter::Any => {}
            AssigneeFilter::Nobody => {
                sql.push(" and t.assignee is null");
            }
            AssigneeFilter::OneOf(people) => {
                sql.and_ints("t.assignee", people.iter().map(|id| id.0));
            }
        }
        sql.and_int("t.milestone =", query.milestone.map(|id| id.0));
        sql.and_int("t.sprint =", query.sprint.map(|id| id.0));
        sql.and_int("t.parent =", query.parent.map(|id| id.0));
        if let Some(blocker) = query.blocked_by.filter(|_| !matches!(drive, Drive::Blocker(_))) {
            sql.push(" and t.id in (select task from task_blockers where blocker = ");
            sql.int(blocker.0).push(")");
        }
        sql.and_int("t.recent >", query.unchanged_since.map(|at| at_or_after(at).saturating_neg()));
        sql.and_int("t.recent <=", query.modified_from.map(|at| at_or_after(at).saturating_neg()));
        self.tags(sql);
        if let Some(text) = &query.text {
            sql.push(" and exists (select 1 from task_words w where w.task = t.id");
            for (word, column) in [(" and (", "w.headline"), (" or ", "w.description")] {
                sql.push(word).word(POSITION).push("(").push(column).push(", ");
                sql.text(fold(text)).push(") > 0");
            }
            sql.push("))");
        }
    }

    fn tags(&self, sql: &mut Sql) {
        let (any_done, all_done) = match self.drive {
            Drive::Tags(_, true) => (true, 0),
            Drive::Tags(_, false) => (false, 1),
            _ => (false, 0),
        };
        let has = " exists (select 1 from task_tags x where x.task = t.id";
        for tag in self.query.tags_all.iter().skip(all_done) {
            sql.push(" and").push(has).push(" and x.folded = ").text(fold_tag(tag)).push(")");
        }
        let lists =
            [(&self.query.tags_any, " and", any_done), (&self.query.tags_none, " and not", false)];
        for (tags, word, done) in lists {
            if !tags.is_empty() && !done {
                sql.push(word).push(has);
                sql.and_in("x.folded", tags.iter().map(|tag| Bind::Text(fold_tag(tag))));
                sql.push(")");
            }
        }
    }
}

fn each<T, R>(items: &[T], kinds: &[i64], head: impl Fn(&T, i64) -> R) -> Vec<R> {
    items
        .iter()
        .flat_map(|item| kinds.iter().map(|kind| head(item, *kind)).collect::<Vec<_>>())
        .collect()
}

/// The narrowest index first.
fn drive(query: &TaskQuery, projects: &[Project], kinds: usize) -> Drive {
    let fits = |branches: usize| branches * kinds.max(1) <= BRANCHES_MAX;
    if !query.ids.is_empty() {
        return Drive::Tasks;
    }
    if let Some(parent) = query.parent {
        return Drive::Column("t.parent", parent.0);
    }
    if let Some(blocker) = query.blocked_by {
        return Drive::Blocker(blocker.0);
    }
    if let Some(milestone) = query.milestone {
        return Drive::Column("t.milestone", milestone.0);
    }
    if let Some(sprint) = query.sprint {
        return Drive::Column("t.sprint", sprint.0);
    }
    if let Some(tag) = query.tags_all.first() {
        return Drive::Tags(vec![fold_tag(tag)], false);
    }
    if !query.tags_any.is_empty() && fits(query.tags_any.len()) {
        let mut tags: Vec<String> = query.tags_any.iter().map(|tag| fold_tag(tag)).collect();
        tags.sort_unstable();
        tags.dedup();
        return Drive::Tags(tags, true);
    }
    match &query.assignee {
        AssigneeFilter::OneOf(people) if !people.is_empty() && fits(people.len()) => {
            let mut people: Vec<_> = people.iter().map(|id| Some(id.0)).collect();
            people.sort_unstable();
            people.dedup();
            return Drive::Assignee(people);
        }
        AssigneeFilter::Nobody if query.projects.is_empty() => return Drive::Assignee(vec![None]),
        _ => {}
    }
    if !query.projects.is_empty() {
        let labels: Vec<(i64, i64)> = projects
            .iter()
            .flat_map(|project| project.statuses.iter().map(move |status| (project, status)))
            .filter(|(_, status)| {
                let kinds = &query.kinds_of_status;
                (kinds.is_empty() || kinds.contains(&status.kind))
                    && (query.statuses.is_empty() || query.statuses.contains(&status.id))
            })
            .map(|(project, status)| (project.id.0, status.id.0))
            .collect();
        if labels.len() <= BRANCHES_MAX {
            return Drive::Labels(labels);
        }
    }
    Drive::Kinds
}

fn word(order: TaskOrder) -> &'static str {
    match order {
        TaskOrder::Id => "id",
        TaskOrder::Priority => "priority",
        TaskOrder::Due => "due",
        TaskOrder::Modified => "modified",
    }
}

/// The columns of a task's id and its place in the order.
fn keys(alias: &str, order: TaskOrder) -> (String, String) {
    let id = if alias == "g" { "g.task".to_owned() } else { format!("{alias}.id") };
    let key = match order {
        TaskOrder::Id => id.clone(),
        TaskOrder::Priority => format!("{alias}.priority_key"),
        TaskOrder::Due => format!("{alias}.due_key"),
        TaskOrder::Modified => format!("{alias}.recent"),
    };
    (id, key)
}

/// The span of due dates.
fn due(sql: &mut Sql, query: &TaskQuery, alias: &str) {
    let column = format!("{alias}.due_key");
    sql.and_int(&format!("{column} >="), query.due_from.map(at_or_after));
    let before = match query.due_to {
        Some(to) => Some(at_or_after(to)),
        None if query.due_from.is_some() || query.has_due == Some(true) => Some(LAST),
        None => None,
    };
    sql.and_int(&format!("{column} <"), before);
    sql.and_int(&format!("{column} ="), query.has_due.filter(|has| !has).map(|_| LAST));
}

/// The tasks whose place in the order may have moved since a row of activity.
fn moved_tasks(sql: &mut Sql, order: TaskOrder, since: i64) {
    sql.push("(select a.task from activity a where a.id > ").int(since);
    sql.push(" and a.task is not null");
    sql.and_in("a.field", page::field(order).map(|field| Bind::Text(field.to_owned())));
    sql.push(")");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PersonId, TaskId, from_millis};

    #[test]
    fn the_narrowest_index_leads() {
        let mut query = TaskQuery { due_to: Some(from_millis(5)), ..TaskQuery::default() };
        assert_eq!(Plan::new(&query, &[]).drive, Drive::Kinds);
        assert!(Plan::new(&query, &[]).count_span().is_some());
        query.assignee = AssigneeFilter::OneOf(vec![PersonId(2), PersonId(1), PersonId(2)]);
        assert_eq!(Plan::new(&query, &[]).drive, Drive::Assignee(vec![Some(1), Some(2)]));
        query.tags_any = vec![" B".into(), "a".into(), "b ".into()];
        let tags = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(Plan::new(&query, &[]).drive, Drive::Tags(tags, true));
        query.parent = Some(TaskId(9));
        assert_eq!(Plan::new(&query, &[]).drive, Drive::Column("t.parent", 9));
        query.ids = vec![TaskId(7)];
        assert_eq!(Plan::new(&query, &[]).drive, Drive::Tasks);
    }
}
