-- What hosts say of themselves beside their reports, the latest of each kind; and what people set
-- each host's agent to.
CREATE TABLE host_claims (
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    job_id TEXT,
    at BIGINT NOT NULL,
    claim TEXT NOT NULL,
    PRIMARY KEY (tenant_id, host_id, kind),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE host_settings (
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (tenant_id, host_id),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
