/** Steps to bring schema `nearjoin` from version n to n + 1; old entries are never edited. */
export const VERSIONS: readonly string[] = [
  `create table nearjoin.installation (id uuid not null, schema_version int not null);
   create sequence nearjoin.generation as int;
   -- in the same round trip as the writes it guards: a replaced leader's transaction ends here
   create function nearjoin.fence(text, bigint) returns void language plpgsql as $fence$
   begin
     perform from nearjoin.feed where target = $1 and epoch = $2 for key share;
     if not found then
       raise exception 'the lease on feed % is lost', $1 using errcode = 'NJ001';
     end if;
   end $fence$;
   create table nearjoin.feed (
     target text primary key,
     connector text not null default 'postgres',
     slot text,
     epoch bigint not null default 0,
     leader text,
     leader_pid int,
     system_id text,
     timeline int,
     target_database text,
     paused boolean not null default false,
     resync_requested bigint not null default 0,
     resync_done bigint not null default 0,
     state text not null default 'starting',
     reason text,
     last_error text,
     target_position pg_lsn,
     retained_wal_bytes bigint,
     transactions_applied bigint not null default 0,
     changes_applied bigint not null default 0,
     updated_at timestamptz not null default clock_timestamp(),
     -- makes epoch a key column: the fence's key-share lock then stops a new epoch and nothing else
     unique (target, epoch)
   ) with (fillfactor = 50);
   create table nearjoin.watermark (
     target text not null,
     seq bigint not null,
     position pg_lsn,
     fresh_as_of bigint,
     primary key (target, seq)
   ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_threshold = 1000000);
   create table nearjoin.cache_table (
     target text not null,
     schema_name text not null,
     table_name text not null,
     relation text not null,
     columns jsonb not null,
     key_columns jsonb not null,
     state text not null,
     reason text,
     copied_at pg_lsn,
     overlay text,
     overlay_truncated boolean not null default false,
     rows_copied bigint not null default 0,
     rows_estimated bigint,
     generation int not null,
     resync boolean not null default false,
     primary key (target, schema_name, table_name)
   ) with (fillfactor = 50);
   insert into nearjoin.installation values (current_setting('nearjoin.new_id')::uuid, 0)`,
  `create table nearjoin.verification (
     id bigint generated always as identity primary key,
     target text not null,
     tables jsonb,
     repair boolean not null,
     rows_per_second int,
     state text not null default 'asked',
     reason text,
     report jsonb not null default '[]',
     asked_at timestamptz not null default clock_timestamp(),
     finished_at timestamptz
   );
   create index on nearjoin.verification (target, id);
   alter table nearjoin.feed add verified_at timestamptz, add rows_differing bigint`,
  `alter table nearjoin.cache_table add column shape jsonb;
   alter table nearjoin.feed add column last_error_at timestamptz`,
  // Overlays made before lack columns: what was being copied is copied again.
  `alter table nearjoin.cache_table add column piece_cursor jsonb;
   update nearjoin.cache_table set state = 'pending' where state in ('copying', 'catching-up')`,
  // The feed's row is written every second: while an old snapshot keeps its versions, finding it costs more and more.
  // What fences lock is a row that changes with the leader only; it follows the feed's, and must be free for that.
  `create table nearjoin.lease (
     target text primary key,
     epoch bigint not null,
     unique (target, epoch),
     foreign key (target, epoch) references nearjoin.feed (target, epoch) on update cascade on delete cascade
   );
   insert into nearjoin.lease select target, epoch from nearjoin.feed;
   create or replace function nearjoin.fence(text, bigint) returns void language plpgsql as $fence$
   begin
     perform from nearjoin.lease where target = $1 and epoch = $2 for key share;
     if not found then
       raise exception 'the lease on feed % is lost', $1 using errcode = 'NJ001';
     end if;
   end $fence$`,
  `alter table nearjoin.watermark add column commit_end pg_lsn, add column commit_time bigint`,
  // Which definition of its columns a copy was made with is not known of each column yet: the next look notes it.
  `alter table nearjoin.cache_table add column serving jsonb;
   update nearjoin.cache_table set shape = jsonb_set(shape, '{written}', '{}') where shape is not null`,
  `alter table nearjoin.cache_table add column unwanted_until timestamptz`,
  `alter table nearjoin.feed add column server_started text`,
  `alter table nearjoin.feed add column early jsonb`,
  // Where the database publishes all its tables, rows of one without a key cannot be updated.
  'alter table nearjoin.installation add primary key (id)',
  'alter table nearjoin.installation add column owner uuid, add column owned_at timestamptz',
];
