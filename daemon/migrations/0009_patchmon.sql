-- Hosts whose agent is PatchMon's, and the hashes of what it told last, by section: what has not
-- changed is not sent again.
CREATE TABLE patchmon_agents (
    tenant_id TEXT NOT NULL,
    host_id TEXT PRIMARY KEY NOT NULL,
    hashes TEXT NOT NULL,
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);

-- A host may report unasked, so a report need not have a job.
ALTER TABLE host_reports RENAME TO host_reports_asked;
CREATE TABLE host_reports (
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    job_id TEXT,
    at BIGINT NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (tenant_id, host_id),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);
INSERT INTO host_reports (tenant_id, host_id, job_id, at, report)
    SELECT tenant_id, host_id, job_id, at, report FROM host_reports_asked;
DROP TABLE host_reports_asked;

-- lease_until of a job that runs says when it is given up: its agent never says that it is done.
CREATE INDEX jobs_unanswered ON jobs (lease_until)
    WHERE state = 'running' AND lease_until IS NOT NULL;
