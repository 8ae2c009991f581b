-- What a tenant may have, as its license says; without bound where it is absent. A tenant that was
-- deleted keeps its row, so that its id never names another.
ALTER TABLE tenants ADD COLUMN max_hosts BIGINT;
ALTER TABLE tenants ADD COLUMN max_users BIGINT;
ALTER TABLE tenants ADD COLUMN deleted_at BIGINT;

-- Signed messages of internal services that were taken, so that none is taken twice. They are kept for
-- longer than their signatures are good.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY NOT NULL,
    signature TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL
);
CREATE INDEX deliveries_by_age ON deliveries (at);

-- A person who belongs to a further tenant has a row there too, which names their own account: the
-- one that they log in with.
ALTER TABLE users ADD COLUMN account_id TEXT REFERENCES users (id);
CREATE UNIQUE INDEX users_by_account ON users (account_id, tenant_id) WHERE account_id IS NOT NULL;

-- A role may be given for a while.
ALTER TABLE user_roles ADD COLUMN expires_at BIGINT;
CREATE INDEX user_roles_by_expiry ON user_roles (expires_at) WHERE expires_at IS NOT NULL;

-- Tokens of people's programs. Each has a login of its own, on which everything hangs that it opens.
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    login_id TEXT NOT NULL UNIQUE REFERENCES logins (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX api_tokens_by_user ON api_tokens (tenant_id, user_id, id);
CREATE INDEX api_tokens_by_expiry ON api_tokens (expires_at);
