-- The first schema of a SQLite board. Instants are milliseconds since 1970. Lists that are only
-- shown are JSON; what questions ask for has a table of its own. `*_key` and `recent` are places in
-- an order, never null, so that a page goes on with one comparison.

create table people (
    id integer primary key autoincrement,
    name text not null,
    folded text not null unique,
    email text,
    kind text not null,
    role text not null
);

create table projects (
    id integer primary key autoincrement,
    name text not null,
    folded text not null unique,
    details text not null,
    closed integer not null,
    statuses text not null,
    created integer not null
);

create table milestones (
    id integer primary key autoincrement,
    project integer not null references projects (id),
    headline text not null,
    color text not null,
    assignee integer references people (id),
    begins integer not null,
    ends integer not null,
    depends_on integer references milestones (id),
    done integer not null,
    revision integer not null
);
create index milestones_by_end on milestones (ends, id);
create index milestones_by_project on milestones (project, ends, id);

create table tasks (
    id integer primary key autoincrement,
    project integer not null references projects (id),
    kind text not null,
    status integer not null,
    status_kind integer not null,
    priority integer,
    priority_key integer not null generated always as (coalesce(priority, 9)) stored,
    assignee integer references people (id),
    author integer references people (id),
    due integer,
    due_key integer not null generated always as (coalesce(due, 9223372036854775807)) stored,
    modified integer not null,
    recent integer not null generated always as (-modified) stored,
    created integer not null,
    revision integer not null,
    parent integer references tasks (id),
    milestone integer references milestones (id),
    sprint integer,
    sort integer not null,
    storypoints double precision,
    plan_hours double precision,
    hours_remaining double precision,
    work_from integer,
    work_to integer,
    headline text not null,
    tags text not null,
    collaborators text not null,
    blocked_by text not null,
    fields text not null,
    acceptance_criteria text not null,
    description text not null
);
create index tasks_by_kind_id on tasks (status_kind, id, due_key, recent);
create index tasks_by_kind_priority on tasks (status_kind, priority_key, id, due_key, recent);
create index tasks_by_kind_due on tasks (status_kind, due_key, id, priority_key, recent);
create index tasks_by_kind_modified on tasks (status_kind, recent, id, due_key);
create index tasks_by_status_id on tasks (project, status, id, due_key);
create index tasks_by_status_priority on tasks (project, status, priority_key, id, due_key);
create index tasks_by_status_due on tasks (project, status, due_key, id);
create index tasks_by_status_modified on tasks (project, status, recent, id, due_key);
create index tasks_by_assignee_id on tasks (assignee, status_kind, id, project, due_key);
create index tasks_by_assignee_priority
    on tasks (assignee, status_kind, priority_key, id, project, due_key);
create index tasks_by_assignee_due on tasks (assignee, status_kind, due_key, id, project);
create index tasks_by_assignee_modified
    on tasks (assignee, status_kind, recent, id, project, due_key);
create index tasks_by_parent on tasks (parent) where parent is not null;
create index tasks_by_milestone on tasks (milestone) where milestone is not null;

create table task_tags (
    folded text not null,
    task integer not null references tasks (id) on delete cascade,
    status_kind integer not null,
    priority_key integer not null,
    due_key integer not null,
    recent integer not null,
    primary key (task, folded)
) without rowid;
create index task_tags_id on task_tags (folded, status_kind, task);
create index task_tags_priority on task_tags (folded, status_kind, priority_key, task);
create index task_tags_due on task_tags (folded, status_kind, due_key, task);
create index task_tags_modified on task_tags (folded, status_kind, recent, task);

create table task_blockers (
    blocker integer not null references tasks (id) on delete cascade,
    task integer not null references tasks (id) on delete cascade,
    primary key (blocker, task)
) without rowid;
create index task_blockers_by_task on task_blockers (task);

create table task_words (
    task integer primary key references tasks (id) on delete cascade,
    headline text not null,
    description text not null
);

create table comments (
    id integer primary key autoincrement,
    task integer references tasks (id) on delete cascade,
    project integer references projects (id),
    author integer not null references people (id),
    text text not null,
    parent integer references comments (id) on delete set null,
    rating text,
    created integer not null
);
create index comments_by_task on comments (task, id) where task is not null;
create index comments_by_project on comments (project, id) where project is not null;
create index comments_by_parent on comments (parent) where parent is not null;
create index comments_rated on comments (created, id) where rating is not null;
create index comments_by_time on comments (created, id);

create table activity (
    id integer primary key autoincrement,
    at integer not null,
    actor integer,
    entity text not null,
    entity_id integer not null,
    task integer,
    project integer,
    field text not null,
    before text not null,
    after text not null,
    run text,
    seq integer
);
create index activity_by_task on activity (task, id) where task is not null;
create index activity_by_project on activity (project, id) where project is not null;
create index activity_by_time on activity (at, id);

create table marks (
    run text not null,
    seq integer not null,
    entity text not null,
    entity_id integer not null,
    was text,
    primary key (run, seq)
) without rowid;

create table fences (
    task integer primary key,
    fence integer not null
);
