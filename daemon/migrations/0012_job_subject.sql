-- What a job is about, in a word, so that lists can tell two of one command apart without reading what
-- each takes.
ALTER TABLE jobs ADD COLUMN subject TEXT;
