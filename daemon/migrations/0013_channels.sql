-- Publications that their publishers gave a key, so that one that is sent again is the first one.
CREATE TABLE event_keys (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    topic TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    digest TEXT NOT NULL,
    published TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, topic, idempotency_key)
);

CREATE INDEX event_keys_by_age ON event_keys (at);
