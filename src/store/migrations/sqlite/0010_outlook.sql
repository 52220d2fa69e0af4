-- For how long documents may be kept: what flips within the hour, whatever its source.
CREATE INDEX flip_at ON flip (at);
