-- What the guard saw: sources that were treated worse, logins whose standing changed. Ids are in the
-- order of time.
CREATE TABLE security_events (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    source TEXT,
    username TEXT,
    login_id TEXT,
    data TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX security_events_by_time ON security_events (at);
