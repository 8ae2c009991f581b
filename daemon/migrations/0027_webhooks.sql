-- Receivers of events outside. Their secrets are not here: each follows from the server's own secret,
-- the receiver's id and its generation.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    topics TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    generation BIGINT NOT NULL,
    rotated_at BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (tenant_id, name)
);

-- Up to which event of each topic deliveries were made.
CREATE TABLE webhook_cursors (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (webhook_id, topic)
);

-- A delivery is 'waiting' until it is 'delivered' or given up ('dead'). One that somebody asked for
-- again is 'replayed' and holds nothing up.
CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY NOT NULL,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    seq BIGINT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    replayed BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    settled_at BIGINT
);
CREATE INDEX webhook_deliveries_by_hook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, topic, seq)
    WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (settled_at)
    WHERE settled_at IS NOT NULL;
