-- Terminals outlive their viewers: what is known of one that nobody shows, and how long it may live.
ALTER TABLE sessions ADD COLUMN cols BIGINT;
ALTER TABLE sessions ADD COLUMN "rows" BIGINT;
ALTER TABLE sessions ADD COLUMN last_output_at BIGINT;
ALTER TABLE sessions ADD COLUMN expires_at BIGINT;
CREATE INDEX sessions_of_host ON sessions (host_id) WHERE ended_at IS NULL;

-- Milliseconds; the daemon's default where it is absent.
ALTER TABLE tenants ADD COLUMN detached_life BIGINT;
