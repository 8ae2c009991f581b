-- Requests for the consent of a second person. hash binds a request to its tenant, requester, action,
-- object and payload: whatever is let through by it is compared with it. job_id or batch_id name what
-- waits for it and goes on by itself.
CREATE TABLE approvals (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    requester_id TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    payload TEXT NOT NULL,
    hash TEXT NOT NULL,
    risk_level TEXT NOT NULL,
    case_id TEXT,
    context TEXT NOT NULL,
    status TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT,
    note TEXT,
    used_at BIGINT,
    job_id TEXT,
    batch_id TEXT
);
CREATE INDEX approvals_by_tenant ON approvals (tenant_id, id);
CREATE INDEX approvals_by_status ON approvals (tenant_id, status, id);
CREATE INDEX approvals_open ON approvals (expires_at) WHERE status IN ('pending', 'approved');

-- What needs consent; rules holds the rest of what was decided about it.
CREATE TABLE approval_policies (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    enabled BOOLEAN NOT NULL,
    rules TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX approval_policies_by_tenant ON approval_policies (tenant_id, id);

-- The consent that a job or batch waited for, or waits for as long as it is held.
ALTER TABLE jobs ADD COLUMN approval_id TEXT;
ALTER TABLE batches ADD COLUMN approval_id TEXT;
CREATE INDEX jobs_by_approval ON jobs (approval_id) WHERE approval_id IS NOT NULL;
