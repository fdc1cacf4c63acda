-- The second schema of a SQLite board: goals, calendars, time, timers, sprints and members. Days are
-- numbers from 1970-01-01 on. The kind of a time entry is its place in the list of kinds, from 0.

create table goal_boards (
    id integer primary key autoincrement,
    project integer not null references projects (id),
    title text not null,
    description text not null,
    author integer not null references people (id),
    created integer not null
);
create index goal_boards_by_project on goal_boards (project, id);

create table goals (
    id integer primary key autoincrement,
    board integer not null references goal_boards (id),
    project integer not null references projects (id),
    title text not null,
    description text not null,
    owner integer references people (id),
    start_value double precision not null,
    current_value double precision not null,
    end_value double precision not null,
    metric text not null,
    status text not null,
    milestone integer references milestones (id),
    parent integer references goals (id),
    first_day integer,
    last_day integer,
    author integer not null references people (id),
    created integer not null,
    modified integer not null,
    revision integer not null
);
create index goals_by_board on goals (board, id);
create index goals_by_project on goals (project, id);
create index goals_by_milestone on goals (milestone, id) where milestone is not null;
create index goals_by_parent on goals (parent, id) where parent is not null;

alter table comments add column goal integer references goals (id);
create index comments_by_goal on comments (goal, id) where goal is not null;

-- An event either has instants or days. `until` is the first instant after it; one of no length
-- lasts a millisecond here, so that a span which begins with it holds it.
create table events (
    id integer primary key autoincrement,
    owner integer not null references people (id),
    title text not null,
    description text not null,
    location text not null,
    begins integer,
    ends integer,
    until integer generated always as (case when ends > begins then ends else begins + 1 end) stored,
    first_day integer,
    last_day integer,
    created integer not null,
    modified integer not null,
    revision integer not null
);
create index events_by_owner on events (owner, id);
create index events_by_until on events (owner, until, begins, id) where begins is not null;
create index events_by_day on events (owner, last_day, first_day, id) where first_day is not null;
create index events_at_until on events (until, begins, id) where begins is not null;
create index events_at_day on events (last_day, first_day, id) where first_day is not null;

create index tasks_by_work on tasks (assignee, work_to, work_from)
    where work_from is not null and work_to is not null;

create table time_entries (
    id integer primary key autoincrement,
    task integer not null references tasks (id),
    project integer not null references projects (id),
    person integer not null references people (id),
    day integer not null,
    kind integer not null,
    seconds integer not null,
    description text not null,
    created integer not null,
    modified integer not null
);
create unique index time_once on time_entries (person, day, task, kind);
create index time_by_day on time_entries (day, id, project, person, task, kind, seconds);
create index time_by_project on time_entries (project, day, id, person, task, kind, seconds);
create index time_by_person on time_entries (person, day, id, project, task, kind, seconds);
create index time_by_task on time_entries (task, day, id, person, project, kind, seconds);

create table timers (
    id integer primary key autoincrement,
    person integer not null references people (id),
    task integer references tasks (id),
    kind text not null,
    started integer not null,
    planned integer
);
create unique index timers_once on timers (person, coalesce(task, 0));
create index timers_by_task on timers (task) where task is not null;

create table sprints (
    id integer primary key autoincrement,
    project integer not null references projects (id),
    name text not null,
    first_day integer not null,
    last_day integer not null,
    revision integer not null
);
create index sprints_by_project on sprints (project, id);
-- Tasks may name sprints from before there were any: none of those numbers is ever given.
insert into sqlite_sequence (name, seq) select 'sprints', coalesce(max(sprint), 0) from tasks;
create index tasks_by_sprint on tasks (sprint) where sprint is not null;

create table members (
    project integer not null references projects (id),
    person integer not null references people (id),
    role text,
    primary key (project, person)
) without rowid;
create index members_by_person on members (person, project);
