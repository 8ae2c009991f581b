-- How long a tenant's things are kept, where it is not as the daemon is configured: as those said who
-- look after tenants, and as it wishes itself. JSON.
ALTER TABLE tenants ADD COLUMN granted_retention TEXT;
ALTER TABLE tenants ADD COLUMN own_retention TEXT;

-- What else a tenant may have; as the daemon is configured where it is absent.
ALTER TABLE tenants ADD COLUMN max_terminals BIGINT;
ALTER TABLE tenants ADD COLUMN max_subscribers BIGINT;
ALTER TABLE tenants ADD COLUMN max_rows_per_minute BIGINT;
ALTER TABLE tenants ADD COLUMN max_bytes_per_minute BIGINT;
