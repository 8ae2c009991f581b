-- The inbox of alerts: the latest word on each, and what people made of it. `seq` is the number of
-- the latest event about it.
CREATE TABLE alerts (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    state TEXT NOT NULL,
    alert TEXT NOT NULL,
    raised BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT,
    note TEXT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX alerts_by_seq ON alerts (tenant_id, seq);
CREATE INDEX alerts_by_state ON alerts (tenant_id, state, seq);
