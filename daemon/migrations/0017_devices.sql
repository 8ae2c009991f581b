-- From where a provisioning key may be used, as a list of networks; an empty one means everywhere.
ALTER TABLE provisioning_keys ADD COLUMN networks TEXT NOT NULL DEFAULT '[]';

-- What tells one installation from another, as its agent said when it registered; and for a host that
-- waits, the one that said the same before.
ALTER TABLE hosts ADD COLUMN machine TEXT;
ALTER TABLE hosts ADD COLUMN same_as TEXT;
CREATE INDEX hosts_by_machine ON hosts (tenant_id, machine);

-- Measurements of a host over `step` milliseconds from `at` on: for each name how many there were,
-- their sum, the lowest and the highest, as JSON.
CREATE TABLE telemetry (
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    step BIGINT NOT NULL,
    at BIGINT NOT NULL,
    readings TEXT NOT NULL,
    PRIMARY KEY (tenant_id, host_id, step, at),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX telemetry_by_age ON telemetry (step, at);

-- Names that hosts gave their own measurements.
CREATE TABLE telemetry_names (
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, host_id, name),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);

-- Rows that hosts sent of other kinds, as they came.
CREATE TABLE records (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    data TEXT NOT NULL,
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX records_by_host ON records (tenant_id, host_id, id);
CREATE INDEX records_by_age ON records (at);

-- Batches that were taken, so that one that comes again is not taken twice.
CREATE TABLE ingested (
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    key TEXT NOT NULL,
    hash TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, host_id, key),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ingested_by_age ON ingested (tenant_id, host_id, at);
