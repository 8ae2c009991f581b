-- Commands to hosts. A job belongs to its tenant; its history outlives the host, so names are copied
-- and nothing refers. cancel_at says that somebody called off what its agent may have already; held
-- keeps a job of a batch back until its ring's turn; lease_until says when it is sent again, unless
-- its agent has said meanwhile that it has it.
CREATE TABLE batches (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    command TEXT NOT NULL,
    state TEXT NOT NULL,
    ring BIGINT NOT NULL,
    last_ring BIGINT NOT NULL,
    max_failures BIGINT NOT NULL,
    reason TEXT,
    idempotency_key TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE UNIQUE INDEX batches_by_key ON batches (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX batches_by_state ON batches (state);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    host_id TEXT NOT NULL,
    host_name TEXT NOT NULL,
    batch_id TEXT REFERENCES batches (id),
    ring BIGINT NOT NULL,
    command TEXT NOT NULL,
    params TEXT NOT NULL,
    idempotent BOOLEAN NOT NULL,
    heavy BOOLEAN NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    retries BIGINT NOT NULL,
    held BOOLEAN NOT NULL,
    not_before BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    lease_until BIGINT,
    cancel_at BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    sent_at BIGINT,
    received_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    progress TEXT,
    exit_status BIGINT,
    error TEXT,
    result TEXT,
    output_end BIGINT NOT NULL,
    retry_of TEXT,
    idempotency_key TEXT
);
CREATE UNIQUE INDEX jobs_by_key ON jobs (tenant_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id);
CREATE INDEX jobs_by_batch ON jobs (batch_id, ring) WHERE batch_id IS NOT NULL;
CREATE INDEX jobs_of_host ON jobs (host_id, state)
    WHERE state IN ('queued', 'leased', 'received', 'running');
CREATE INDEX jobs_out ON jobs (tenant_id, state)
    WHERE state IN ('leased', 'received', 'running');
CREATE INDEX jobs_by_start ON jobs (not_before) WHERE state = 'queued';
CREATE INDEX jobs_by_deadline ON jobs (deadline)
    WHERE state IN ('queued', 'leased', 'received', 'running');
CREATE INDEX jobs_by_lease ON jobs (lease_until) WHERE state = 'leased';
CREATE INDEX jobs_by_end ON jobs (finished_at);

-- What a job printed, in pieces by their place. The first half of what may be kept stays, and of the
-- rest the newest; what is missing between two pieces is the gap that readers are told.
CREATE TABLE job_output (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (job_id, start_at)
);

-- The latest full report of each host.
CREATE TABLE host_reports (
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (tenant_id, host_id),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
