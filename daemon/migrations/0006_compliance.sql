-- What scanners found on hosts. A scan belongs to its host; at is when it came, by our own clock, while
-- started_at and finished_at are the host's claims.
CREATE TABLE compliance_scans (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    host_id TEXT NOT NULL,
    job_id TEXT,
    scanner TEXT NOT NULL,
    scanner_version TEXT NOT NULL,
    profile TEXT NOT NULL,
    content TEXT NOT NULL,
    partial BOOLEAN NOT NULL,
    score DOUBLE PRECISION,
    scanner_score DOUBLE PRECISION,
    counts TEXT NOT NULL,
    at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX compliance_scans_by_host ON compliance_scans (tenant_id, host_id, id);
CREATE INDEX compliance_scans_by_age ON compliance_scans (at);
CREATE UNIQUE INDEX compliance_scans_by_job ON compliance_scans (job_id) WHERE job_id IS NOT NULL;

-- The words of a rule, once for all scans that use the same ones. The key is a digest of them, so what a
-- hostile host says of a rule stands beside what others say of it, never in its place.
CREATE TABLE compliance_rules (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    digest BYTEA NOT NULL,
    scanner TEXT NOT NULL,
    rule TEXT NOT NULL,
    title TEXT NOT NULL,
    severity TEXT NOT NULL,
    rationale TEXT NOT NULL,
    fix TEXT NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX compliance_rules_by_name ON compliance_rules (tenant_id, rule);

-- By result first: what fails on a fleet is found without what passes.
CREATE TABLE compliance_results (
    scan_id TEXT NOT NULL REFERENCES compliance_scans (id) ON DELETE CASCADE,
    result TEXT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (scan_id, result, digest)
);
CREATE INDEX compliance_results_by_rule ON compliance_results (digest);
