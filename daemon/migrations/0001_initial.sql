-- Everything the relay keeps. The same text runs on SQLite and on PostgreSQL.
-- Identifiers are hyphenated UUIDs as text, times are unix milliseconds, sets and facts are JSON.

CREATE TABLE meta (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);

CREATE TABLE tenants (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- A login names no tenant, so a username is unique over all of them; username_key is its lower case.
CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT,
    UNIQUE (tenant_id, id)
);

CREATE TABLE roles (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    built_in BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE role_permissions (
    tenant_id TEXT NOT NULL,
    role TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (tenant_id, role, permission),
    FOREIGN KEY (tenant_id, role) REFERENCES roles (tenant_id, name) ON DELETE CASCADE
);

CREATE TABLE user_roles (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, role) REFERENCES roles (tenant_id, name)
);

-- One row per login that still counts; ending a login deletes its row. token_hash is null for a
-- login that only ever had access tokens.
CREATE TABLE logins (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    token_hash TEXT UNIQUE,
    source TEXT,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX logins_by_user ON logins (user_id);

CREATE TABLE hosts (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    api_id TEXT NOT NULL UNIQUE,
    key_hash TEXT NOT NULL,
    friendly_name TEXT NOT NULL,
    address TEXT,
    port BIGINT NOT NULL,
    labels TEXT NOT NULL,
    state TEXT NOT NULL,
    ephemeral BOOLEAN NOT NULL,
    facts TEXT NOT NULL,
    policy TEXT NOT NULL,
    ssh_ports TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    first_report_at BIGINT,
    last_seen_at BIGINT,
    presence_at BIGINT,
    presence_reason TEXT,
    presence_secure BOOLEAN,
    UNIQUE (tenant_id, id)
);

CREATE TABLE provisioning_keys (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    hash TEXT NOT NULL UNIQUE,
    uses_left BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    approve BOOLEAN NOT NULL,
    ephemeral BOOLEAN NOT NULL,
    labels TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tickets (
    hash TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL,
    login_id TEXT NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    target TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    serial BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_by_login ON tickets (login_id, serial);

-- source is 'attested' (said by the host's agent, target empty, for the ports of its own sshd),
-- 'accepted' (by a person, for one host:port), or 'pending' (said by the agent in place of the
-- attested ones, waiting for a person).
CREATE TABLE host_keys (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    target TEXT NOT NULL,
    key_type TEXT NOT NULL,
    openssh TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    source TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    added_by TEXT NOT NULL,
    UNIQUE (tenant_id, host_id, target, fingerprint, source),
    FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, id) ON DELETE CASCADE
);

-- History outlives host and user, so names are copied and nothing refers.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    host_id TEXT NOT NULL,
    host_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    login_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    username TEXT NOT NULL,
    host_key TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT
);
CREATE INDEX sessions_by_tenant ON sessions (tenant_id, id);
CREATE INDEX sessions_open ON sessions (state) WHERE ended_at IS NULL;

CREATE TABLE topics (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    topic TEXT NOT NULL,
    last_seq BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, topic)
);

CREATE TABLE events (
    tenant_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (tenant_id, topic, seq)
);

-- Append only. hash covers the row and prev_hash; audit_head says where the chain must end, so
-- that cutting its tail off shows too.
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY NOT NULL,
    tenant_id TEXT,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    source TEXT,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant_id, seq);

CREATE TABLE audit_head (
    id BIGINT PRIMARY KEY NOT NULL,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');
