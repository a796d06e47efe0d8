-- LeafGate's tables for mssql, at the schema 0008.
-- Run it once, as the owner of the tables, on a database that has none of them, with
-- sqlcmd -b -i
-- which stops at the first mistake, so that nothing is left of what went before.
-- `leafgate db migrate` then finds nothing to do, and takes it from here in later versions.

SET XACT_ABORT ON;
GO

BEGIN TRANSACTION;
GO

-- One row a request of HTTP, refused and failed ones too.
CREATE TABLE requests (
	id VARCHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
	at_utc DATETIME2(3) NOT NULL,
	method VARCHAR(8) COLLATE Latin1_General_100_BIN2 NOT NULL,
	endpoint NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
	status SMALLINT NOT NULL,
	latency_ms FLOAT NOT NULL,
	user_name NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NULL,
	source VARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	images INTEGER NOT NULL DEFAULT '0',
	model_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	model_version INTEGER NULL,
	error_code VARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	request_count INTEGER NOT NULL DEFAULT '1',
	client VARCHAR(32) COLLATE Latin1_General_100_BIN2 NULL,
	CONSTRAINT pk_requests PRIMARY KEY NONCLUSTERED (id)
);
GO

CREATE CLUSTERED INDEX ix_requests_at_utc ON requests (at_utc, id);
GO

-- One row an image that was to be classified.
CREATE TABLE predictions (
	id VARCHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
	request_id VARCHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
	position SMALLINT NOT NULL DEFAULT '0',
	at_utc DATETIME2(3) NOT NULL,
	status SMALLINT NOT NULL,
	error_code VARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	latency_ms FLOAT NOT NULL,
	lane VARCHAR(16) COLLATE Latin1_General_100_BIN2 NULL,
	model_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	model_version INTEGER NULL,
	artifact_digest VARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	engine VARCHAR(32) COLLATE Latin1_General_100_BIN2 NULL,
	tta BIT NULL,
	file_name NVARCHAR(255) COLLATE Latin1_General_100_BIN2 NULL,
	sha256 VARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	class_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	confidence FLOAT NULL,
	unknown BIT NULL,
	unknown_score FLOAT NULL,
	most_probable NVARCHAR(1500) COLLATE Latin1_General_100_BIN2 NULL,
	explanation BIT NOT NULL DEFAULT 0,
	CONSTRAINT pk_predictions PRIMARY KEY NONCLUSTERED (id)
);
GO

CREATE CLUSTERED INDEX ix_predictions_at_utc ON predictions (at_utc, id);
GO

CREATE INDEX ix_predictions_request_id ON predictions (request_id);
GO

-- One row a request for pictures.
CREATE TABLE generations (
	id VARCHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
	at_utc DATETIME2(3) NOT NULL,
	model_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	model_version INTEGER NULL,
	artifact_digest VARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	engine VARCHAR(32) COLLATE Latin1_General_100_BIN2 NULL,
	asked INTEGER NULL,
	seed BIGINT NULL,
	class_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	made INTEGER NOT NULL,
	output_sha256 VARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
	to_seed BIGINT NULL,
	reader_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	reader_version INTEGER NULL,
	read_classes NVARCHAR(4000) COLLATE Latin1_General_100_BIN2 NULL,
	CONSTRAINT pk_generations PRIMARY KEY NONCLUSTERED (id)
);
GO

CREATE CLUSTERED INDEX ix_generations_at_utc ON generations (at_utc, id);
GO

-- What people say that images show.
CREATE TABLE feedback (
	id VARCHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
	at_utc DATETIME2(3) NOT NULL,
	prediction_id VARCHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
	true_class NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
	user_name NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NULL,
	told_at_utc DATETIME2(3) NULL,
	told_class NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	model_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	model_version INTEGER NULL,
	CONSTRAINT pk_feedback PRIMARY KEY NONCLUSTERED (id)
);
GO

CREATE CLUSTERED INDEX ix_feedback_at_utc ON feedback (at_utc, id);
GO

CREATE INDEX ix_feedback_prediction_id ON feedback (prediction_id);
GO

-- Counts by the hour, in parts that are added up.
CREATE TABLE hourly (
	dimension VARCHAR(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
	hour_utc DATETIME2(3) NOT NULL,
	part BIGINT NOT NULL,
	number INTEGER NOT NULL,
	name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
	class_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
	model_version INTEGER NULL,
	answered BIGINT NOT NULL,
	refused BIGINT NOT NULL,
	failed BIGINT NOT NULL,
	images BIGINT NOT NULL,
	unknown BIGINT NOT NULL,
	confidence_sum FLOAT NOT NULL,
	histogram VARCHAR(8000) COLLATE Latin1_General_100_BIN2 NOT NULL,
	CONSTRAINT pk_hourly PRIMARY KEY (dimension, hour_utc, part, number)
);
GO

CREATE INDEX ix_hourly_name ON hourly (dimension, name, hour_utc);
GO

-- Who may sign in; passwords as Argon2 hashes.
CREATE TABLE users (
	name NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
	password_hash VARCHAR(255) NOT NULL,
	scopes VARCHAR(255) NOT NULL,
	created_at_utc DATETIME2(3) NOT NULL,
	disabled BIT NOT NULL DEFAULT 0,
	[plan] NVARCHAR(64) NOT NULL DEFAULT 'standard',
	tokens_revoked_at_utc DATETIME2(3) NULL,
	CONSTRAINT pk_users PRIMARY KEY (name)
);
GO

-- Tokens that are refused until they expire.
CREATE TABLE revoked_tokens (
	jti VARCHAR(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
	expires_at_utc DATETIME2(3) NOT NULL,
	revoked_at_utc DATETIME2(3) NOT NULL,
	revoked_by NVARCHAR(200) NOT NULL,
	CONSTRAINT pk_revoked_tokens PRIMARY KEY (jti)
);
GO

-- Every verdict and move of a model; rows are only added.
CREATE TABLE audit (
	model_name NVARCHAR(256) COLLATE Latin1_General_100_BIN2 NOT NULL,
	number INTEGER NOT NULL,
	at_utc VARCHAR(32) NOT NULL,
	who NVARCHAR(max) NOT NULL,
	action VARCHAR(16) NOT NULL,
	caused_by VARCHAR(16) NOT NULL,
	from_version INTEGER NULL,
	to_version INTEGER NULL,
	previous_version INTEGER NULL,
	outcome NVARCHAR(max) NOT NULL,
	holder NVARCHAR(max) NOT NULL,
	policy_digest VARCHAR(128) NOT NULL,
	artifact_digest VARCHAR(128) NOT NULL,
	report NVARCHAR(max) NOT NULL,
	reason NVARCHAR(max) NOT NULL,
	previous_hash VARCHAR(64) NOT NULL,
	key_id VARCHAR(16) NOT NULL,
	hash VARCHAR(64) NOT NULL,
	signature VARCHAR(128) NOT NULL,
	CONSTRAINT pk_audit PRIMARY KEY (model_name, number)
);
GO

-- Where `leafgate db migrate` looks up what schema this is.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
GO

INSERT INTO alembic_version (version_num) VALUES ('0008');
GO

COMMIT TRANSACTION;
GO
