-- Through which host's agent direct terminals go; the host's own address is dialled from there. It
-- belongs to the same tenant and has no gateway itself, which is checked where it is written.
ALTER TABLE hosts ADD COLUMN gateway_id TEXT REFERENCES hosts (id);
CREATE INDEX hosts_by_gateway ON hosts (gateway_id);
