-- Orders for compliance scans that come again and again. Only moments from since on count, so that what
-- was switched off or changed does not come all at once.
CREATE TABLE scan_schedules (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    scanner TEXT NOT NULL,
    profile TEXT,
    every_ms BIGINT NOT NULL,
    jitter_ms BIGINT NOT NULL,
    max_concurrent BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL,
    starts_at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX scan_schedules_by_tenant ON scan_schedules (tenant_id, id);

-- The latest job of a schedule on each host, and when it was ordered.
CREATE TABLE scheduled_hosts (
    schedule_id TEXT NOT NULL REFERENCES scan_schedules (id) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, host_id),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
