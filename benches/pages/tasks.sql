begin;

insert into tasks (project, kind, status, status_kind, priority, assignee, author, due, modified, created,
  revision, sort, headline, tags, collaborators, blocked_by, fields, acceptance_criteria, description)
with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000)
select 1, 'task', case i % 5 when 0 then 3 when 1 then 4 when 2 then 1 when 3 then 2 else 0 end, i % 5,
  nullif(i % 6, 0), nullif(i % 4, 0), 1, 1700000000000 + i * 1000, 1700000000000 + i, 1700000000000, 1, 0,
  'Task number ' || i || ' about something that is said in a few words', '["web"]', '[]', '[]', '{}', '',
  replace(hex(zeroblob(500)), '0', 'word ') from n;

insert into task_tags (folded, task, status_kind, priority_key, due_key, recent)
select 'web', id, status_kind, priority_key, due_key, recent from tasks where tags = '["web"]';

insert or ignore into task_words (task, headline, description)
select id, lower(headline), lower(description) from tasks;

commit
