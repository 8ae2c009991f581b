-- Whether a person has linked the provider's account to one that they had here, which keeps its roles;
-- otherwise the account was made for whoever came from the provider.
ALTER TABLE external_identities ADD COLUMN linked BOOLEAN NOT NULL DEFAULT FALSE;
