-- What the daemons of a team remember together; what it means is the contract in `store/mod.rs`.

-- A version never comes twice: a sequence is not taken back, by nobody who fails and by no restart.
create sequence ledger_version as bigint;

-- Some room in each page: a row that is rewritten stays in its page and costs the index nothing.
create table ledger (
    key text collate "C" primary key,
    version bigint not null,
    value bytea not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Decides commits in order, carries those out that stand, and answers with the first key of each
-- that does not, by its number; nothing at all where every one stands.
--
-- Commits are numbered from 1. They come in waves, which end at these numbers: within a wave no
-- commit writes a key that another one checks or writes, so that a wave is decided at once and in
-- no order.
--
-- Every key that is checked or written, also one that is not there, has a lock until the end of the
-- transaction, taken in the order of their numbers by everybody. What is looked at below, in
-- statements of their own, is what was committed by whoever held them before (read committed).
-- Whoever has more keys than there are locks for them takes `whole` alone, and all others share it.
create function ledger_commit_1(
    whole bigint, locks bigint[], ends int[],
    check_commit int[], check_key text[], check_version bigint[],
    put_commit int[], put_key text[], put_value bytea[],
    delete_commit int[], delete_key text[]
) returns text[] language plpgsql as $$
declare
    refused text[];
    fallen int[];
    first int := 1;
    last int;
    fault record;
begin
    if locks is null then
        perform pg_advisory_xact_lock(whole);
    else
        perform pg_advisory_xact_lock_shared(whole);
        perform pg_advisory_xact_lock(id) from unnest(locks) as id;
    end if;
    foreach last in array ends loop
        fallen := '{}';
        for fault in
            select distinct on (c.number) c.number, c.key
            from unnest(check_commit, check_key, check_version) with ordinality
                as c (number, key, version, place)
            where c.number between first and last
                and c.version is distinct from (select l.version from ledger l where l.key = c.key)
            order by c.number, c.place
        loop
            refused := coalesce(refused, array_fill(null::text, array[ends[cardinality(ends)]]));
            refused[fault.number] := fault.key;
            fallen := fallen || fault.number;
        end loop;
        insert into ledger (key, version, value)
            select p.key, nextval('ledger_version'), p.value
            from unnest(put_commit, put_key, put_value) as p (number, key, value)
            where p.number between first and last and p.number <> all (fallen)
            on conflict (key) do update set version = excluded.version, value = excluded.value;
        delete from ledger
            using unnest(delete_commit, delete_key) as d (number, key)
            where ledger.key = d.key and d.number between first and last and d.number <> all (fallen);
        first := last + 1;
    end loop;
    return refused;
end
$$;

-- The same for one commit whose only check is of a key that it puts itself, as nearly all of them
-- are: answers whether it stands.
create function ledger_swap_1(
    whole bigint, locks bigint[], swap_key text, swap_version bigint, swap_value bytea,
    put_key text[], put_value bytea[], delete_key text[]
) returns boolean language plpgsql as $$
declare
    id bigint;
    held boolean;
begin
    -- As expressions: a query for each lock would cost more than all the rest.
    held := pg_advisory_xact_lock_shared(whole) is null;
    foreach id in array locks loop
        held := pg_advisory_xact_lock(id) is null;
    end loop;
    if swap_version is null then
        insert into ledger (key, version, value)
            values (swap_key, nextval('ledger_version'), swap_value) on conflict (key) do nothing;
    else
        update ledger set version = nextval('ledger_version'), value = swap_value
            where key = swap_key and version = swap_version;
    end if;
    if not found then
        return false;
    end if;
    for place in 1 .. cardinality(put_key) loop
        insert into ledger (key, version, value)
            values (put_key[place], nextval('ledger_version'), put_value[place])
            on conflict (key) do update set version = excluded.version, value = excluded.value;
    end loop;
    if cardinality(delete_key) > 0 then
        delete from ledger where key = any (delete_key);
    end if;
    return true;
end
$$;
