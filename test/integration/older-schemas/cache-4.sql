CREATE SCHEMA nearjoin;
CREATE FUNCTION nearjoin.fence(text, bigint) RETURNS void
    LANGUAGE plpgsql
    AS $_$
   begin
     perform from nearjoin.feed where target = $1 and epoch = $2 for key share;
     if not found then
       raise exception 'the lease on feed % is lost', $1 using errcode = 'NJ001';
     end if;
   end $_$;
CREATE TABLE nearjoin.cache_table (
    target text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    relation text NOT NULL,
    columns jsonb NOT NULL,
    key_columns jsonb NOT NULL,
    state text NOT NULL,
    reason text,
    copied_at pg_lsn,
    "overlay" text,
    overlay_truncated boolean DEFAULT false NOT NULL,
    rows_copied bigint DEFAULT 0 NOT NULL,
    rows_estimated bigint,
    generation integer NOT NULL,
    resync boolean DEFAULT false NOT NULL,
    shape jsonb,
    piece_cursor jsonb
)
WITH (fillfactor='50');
CREATE TABLE nearjoin.feed (
    target text NOT NULL,
    connector text DEFAULT 'postgres'::text NOT NULL,
    slot text,
    epoch bigint DEFAULT 0 NOT NULL,
    leader text,
    leader_pid integer,
    system_id text,
    timeline integer,
    target_database text,
    paused boolean DEFAULT false NOT NULL,
    resync_requested bigint DEFAULT 0 NOT NULL,
    resync_done bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'starting'::text NOT NULL,
    reason text,
    last_error text,
    target_position pg_lsn,
    retained_wal_bytes bigint,
    transactions_applied bigint DEFAULT 0 NOT NULL,
    changes_applied bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    verified_at timestamp with time zone,
    rows_differing bigint,
    last_error_at timestamp with time zone
)
WITH (fillfactor='50');
CREATE SEQUENCE nearjoin.generation
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE nearjoin.installation (
    id uuid NOT NULL,
    schema_version integer NOT NULL
);
CREATE TABLE nearjoin.verification (
    id bigint NOT NULL,
    target text NOT NULL,
    tables jsonb,
    repair boolean NOT NULL,
    rows_per_second integer,
    state text DEFAULT 'asked'::text NOT NULL,
    reason text,
    report jsonb DEFAULT '[]'::jsonb NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone
);
ALTER TABLE nearjoin.verification ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME nearjoin.verification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE nearjoin.watermark (
    target text NOT NULL,
    seq bigint NOT NULL,
    "position" pg_lsn,
    fresh_as_of bigint
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_analyze_threshold='1000000');
INSERT INTO nearjoin.cache_table VALUES ('pg2', 'public', 'ready', 'pg2__public__ready__g1', '[{"name": "id", "type": "integer"}]', '["id"]', 'ready', NULL, '0/100', NULL, false, 0, NULL, 1, false, '{"oid": 1, "written": {"id": 1}}', NULL);
INSERT INTO nearjoin.cache_table VALUES ('pg2', 'public', 'copying', 'pg2__public__copying__g2', '[{"name": "id", "type": "integer"}]', '["id"]', 'copying', NULL, NULL, NULL, false, 0, NULL, 2, false, NULL, NULL);
INSERT INTO nearjoin.feed VALUES ('pg2', 'postgres', 'nearjoin_slot', 3, 'node', NULL, '7', 1, 'users', true, 0, 0, 'paused', NULL, 'none', '0/200', NULL, 7, 0, '2026-11-25 12:00:00+00', NULL, NULL, '2026-11-25 11:00:00+00');
INSERT INTO nearjoin.installation VALUES ('e1f7d8a0-0000-4000-8000-000000000001', 4);
INSERT INTO nearjoin.verification OVERRIDING SYSTEM VALUE VALUES (1, 'pg2', NULL, false, NULL, 'done', NULL, '[]', '2026-11-25 10:00:00+00', NULL);
INSERT INTO nearjoin.watermark VALUES ('pg2', 1, '0/100', 1000);
INSERT INTO nearjoin.watermark VALUES ('pg2', 2, '0/200', 2000);
SELECT pg_catalog.setval('nearjoin.generation', 2, true);
SELECT pg_catalog.setval('nearjoin.verification_id_seq', 1, true);
ALTER TABLE ONLY nearjoin.cache_table
    ADD CONSTRAINT cache_table_pkey PRIMARY KEY (target, schema_name, table_name);
ALTER TABLE ONLY nearjoin.feed
    ADD CONSTRAINT feed_pkey PRIMARY KEY (target);
ALTER TABLE ONLY nearjoin.feed
    ADD CONSTRAINT feed_target_epoch_key UNIQUE (target, epoch);
ALTER TABLE ONLY nearjoin.verification
    ADD CONSTRAINT verification_pkey PRIMARY KEY (id);
ALTER TABLE ONLY nearjoin.watermark
    ADD CONSTRAINT watermark_pkey PRIMARY KEY (target, seq);
CREATE INDEX verification_target_id_idx ON nearjoin.verification USING btree (target, id);
