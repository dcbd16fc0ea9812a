CREATE SCHEMA nearjoin_metadata;
CREATE TABLE nearjoin_metadata.catalog_state (
    only_row boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    cli_state json DEFAULT '{}'::json NOT NULL,
    console_state json DEFAULT '{}'::json NOT NULL,
    CONSTRAINT catalog_state_only_row_check CHECK (only_row)
);
CREATE TABLE nearjoin_metadata.metadata (
    only_row boolean DEFAULT true NOT NULL,
    document json NOT NULL,
    resource_version bigint NOT NULL,
    CONSTRAINT metadata_only_row_check CHECK (only_row)
);
CREATE TABLE nearjoin_metadata.schema_version (
    version integer NOT NULL
);
INSERT INTO nearjoin_metadata.catalog_state VALUES (true, 'e1f7d8a0-0000-4000-8000-000000000002', '{"a":1}', '{"b":2}');
INSERT INTO nearjoin_metadata.metadata VALUES (true, '{"version":3,"sources":[{"name":"pg1","kind":"postgres","configuration":{"connection_info":{"database_url":{"from_env":"PG1_URL"}}},"tables":[]}]}', 7);
INSERT INTO nearjoin_metadata.schema_version VALUES (1);
ALTER TABLE ONLY nearjoin_metadata.catalog_state
    ADD CONSTRAINT catalog_state_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY nearjoin_metadata.metadata
    ADD CONSTRAINT metadata_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY nearjoin_metadata.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);
