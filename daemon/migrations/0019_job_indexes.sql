-- What is looked up for each job: a host's by what may go first, a batch's by how far they are. Each
-- index has every column that its queries compare, so that none reads what belongs to others.
DROP INDEX jobs_of_host;
DROP INDEX jobs_out;
DROP INDEX jobs_by_batch;
CREATE INDEX jobs_of_host ON jobs (tenant_id, host_id, state, heavy, priority DESC, id);
CREATE INDEX jobs_by_batch ON jobs (batch_id, state, ring, host_id, tenant_id)
    WHERE batch_id IS NOT NULL;
