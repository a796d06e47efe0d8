-- LeafGate's tables for postgresql, at the schema 0008.
-- Run it once, as the owner of the tables, on a database that has none of them, with
-- psql --set ON_ERROR_STOP=1 -f
-- which stops at the first mistake, so that nothing is left of what went before.
-- `leafgate db migrate` then finds nothing to do, and takes it from here in later versions.

BEGIN;

-- One row a request of HTTP, refused and failed ones too.
CREATE TABLE requests (
	id VARCHAR(36) COLLATE "C" NOT NULL,
	at_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	method VARCHAR(8) NOT NULL,
	endpoint VARCHAR(200) NOT NULL,
	status SMALLINT NOT NULL,
	latency_ms FLOAT NOT NULL,
	user_name VARCHAR(100),
	source VARCHAR(64),
	images INTEGER DEFAULT '0' NOT NULL,
	model_name VARCHAR(200),
	model_version INTEGER,
	error_code VARCHAR(64),
	request_count INTEGER DEFAULT '1' NOT NULL,
	client VARCHAR(32),
	CONSTRAINT pk_requests PRIMARY KEY (id)
);

CREATE INDEX ix_requests_at_utc ON requests (at_utc, id);

-- One row an image that was to be classified.
CREATE TABLE predictions (
	id VARCHAR(36) COLLATE "C" NOT NULL,
	request_id VARCHAR(36) COLLATE "C" NOT NULL,
	position SMALLINT DEFAULT '0' NOT NULL,
	at_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	status SMALLINT NOT NULL,
	error_code VARCHAR(64),
	latency_ms FLOAT NOT NULL,
	lane VARCHAR(16),
	model_name VARCHAR(200),
	model_version INTEGER,
	artifact_digest VARCHAR(64),
	engine VARCHAR(32),
	tta BOOLEAN,
	file_name VARCHAR(255),
	sha256 VARCHAR(64),
	class_name VARCHAR(200),
	confidence FLOAT,
	unknown BOOLEAN,
	unknown_score FLOAT,
	most_probable VARCHAR(1500),
	explanation BOOLEAN DEFAULT false NOT NULL,
	CONSTRAINT pk_predictions PRIMARY KEY (id)
);

CREATE INDEX ix_predictions_at_utc ON predictions (at_utc, id);

CREATE INDEX ix_predictions_request_id ON predictions (request_id);

-- One row a request for pictures.
CREATE TABLE generations (
	id VARCHAR(36) COLLATE "C" NOT NULL,
	at_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	model_name VARCHAR(200),
	model_version INTEGER,
	artifact_digest VARCHAR(64),
	engine VARCHAR(32),
	asked INTEGER,
	seed BIGINT,
	class_name VARCHAR(200),
	made INTEGER NOT NULL,
	output_sha256 VARCHAR(64),
	to_seed BIGINT,
	reader_name VARCHAR(200),
	reader_version INTEGER,
	read_classes VARCHAR(4000),
	CONSTRAINT pk_generations PRIMARY KEY (id)
);

CREATE INDEX ix_generations_at_utc ON generations (at_utc, id);

-- What people say that images show.
CREATE TABLE feedback (
	id VARCHAR(36) COLLATE "C" NOT NULL,
	at_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	prediction_id VARCHAR(36) COLLATE "C" NOT NULL,
	true_class VARCHAR(200) NOT NULL,
	user_name VARCHAR(100),
	told_at_utc TIMESTAMP WITHOUT TIME ZONE,
	told_class VARCHAR(200),
	model_name VARCHAR(200),
	model_version INTEGER,
	CONSTRAINT pk_feedback PRIMARY KEY (id)
);

CREATE INDEX ix_feedback_at_utc ON feedback (at_utc, id);

CREATE INDEX ix_feedback_prediction_id ON feedback (prediction_id);

-- Counts by the hour, in parts that are added up.
CREATE TABLE hourly (
	dimension VARCHAR(16) NOT NULL,
	hour_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	part BIGINT NOT NULL,
	number INTEGER NOT NULL,
	name VARCHAR(200) NOT NULL,
	class_name VARCHAR(200),
	model_version INTEGER,
	answered BIGINT NOT NULL,
	refused BIGINT NOT NULL,
	failed BIGINT NOT NULL,
	images BIGINT NOT NULL,
	unknown BIGINT NOT NULL,
	confidence_sum FLOAT NOT NULL,
	histogram VARCHAR(8000) NOT NULL,
	CONSTRAINT pk_hourly PRIMARY KEY (dimension, hour_utc, part, number)
);

CREATE INDEX ix_hourly_name ON hourly (dimension, name, hour_utc);

-- Who may sign in; passwords as Argon2 hashes.
CREATE TABLE users (
	name VARCHAR(100) NOT NULL,
	password_hash VARCHAR(255) NOT NULL,
	scopes VARCHAR(255) NOT NULL,
	created_at_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	disabled BOOLEAN DEFAULT false NOT NULL,
	plan VARCHAR(64) DEFAULT 'standard' NOT NULL,
	tokens_revoked_at_utc TIMESTAMP WITHOUT TIME ZONE,
	CONSTRAINT pk_users PRIMARY KEY (name)
);

-- Tokens that are refused until they expire.
CREATE TABLE revoked_tokens (
	jti VARCHAR(255) NOT NULL,
	expires_at_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	revoked_at_utc TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	revoked_by VARCHAR(200) NOT NULL,
	CONSTRAINT pk_revoked_tokens PRIMARY KEY (jti)
);

-- Every verdict and move of a model; rows are only added.
CREATE TABLE audit (
	model_name VARCHAR(256) NOT NULL,
	number INTEGER NOT NULL,
	at_utc VARCHAR(32) NOT NULL,
	who TEXT NOT NULL,
	action VARCHAR(16) NOT NULL,
	caused_by VARCHAR(16) NOT NULL,
	from_version INTEGER,
	to_version INTEGER,
	previous_version INTEGER,
	outcome TEXT NOT NULL,
	holder TEXT NOT NULL,
	policy_digest VARCHAR(128) NOT NULL,
	artifact_digest VARCHAR(128) NOT NULL,
	report TEXT NOT NULL,
	reason TEXT NOT NULL,
	previous_hash VARCHAR(64) NOT NULL,
	key_id VARCHAR(16) NOT NULL,
	hash VARCHAR(64) NOT NULL,
	signature VARCHAR(128) NOT NULL,
	CONSTRAINT pk_audit PRIMARY KEY (model_name, number)
);

-- Where `leafgate db migrate` looks up what schema this is.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

INSERT INTO alembic_version (version_num) VALUES ('0008');

COMMIT;
