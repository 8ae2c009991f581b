-- Counts by state and the newest of each, for those who watch all jobs of a tenant.
CREATE INDEX jobs_by_state ON jobs (tenant_id, state, finished_at, id);
