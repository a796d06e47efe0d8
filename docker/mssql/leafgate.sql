-- LeafGate's database and logins, for sqlcmd. Repeatable: it makes what is missing, and sets the
-- passwords anew. The owner migrates; what the others may do is granted by `leafgate db migrate --grant`.
IF DB_ID('leafgate') IS NULL
    CREATE DATABASE leafgate;
GO

-- Readers do not wait for writers, nor writers for readers.
IF EXISTS (
    SELECT name FROM sys.databases
    WHERE name = 'leafgate' AND is_read_committed_snapshot_on = 0
)
    ALTER DATABASE leafgate SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE;
GO

IF SUSER_ID('leafgate_service') IS NULL
    CREATE LOGIN leafgate_service WITH PASSWORD = '$(SERVICE_PASSWORD)';
ALTER LOGIN leafgate_service WITH PASSWORD = '$(SERVICE_PASSWORD)';
IF SUSER_ID('leafgate_dashboard') IS NULL
    CREATE LOGIN leafgate_dashboard WITH PASSWORD = '$(DASHBOARD_PASSWORD)';
ALTER LOGIN leafgate_dashboard WITH PASSWORD = '$(DASHBOARD_PASSWORD)';
IF SUSER_ID('leafgate_trainer') IS NULL
    CREATE LOGIN leafgate_trainer WITH PASSWORD = '$(TRAINER_PASSWORD)';
ALTER LOGIN leafgate_trainer WITH PASSWORD = '$(TRAINER_PASSWORD)';
IF SUSER_ID('leafgate_owner') IS NULL
    CREATE LOGIN leafgate_owner WITH PASSWORD = '$(OWNER_PASSWORD)';
ALTER LOGIN leafgate_owner WITH PASSWORD = '$(OWNER_PASSWORD)';
GO

USE leafgate;
GO

-- A database out of a backup knows its users, but not these logins: they are tied anew. The owner comes
-- last, since migrations wait for nobody else.
IF USER_ID('leafgate_service') IS NULL
    CREATE USER leafgate_service FOR LOGIN leafgate_service;
ALTER USER leafgate_service WITH LOGIN = leafgate_service;
IF USER_ID('leafgate_dashboard') IS NULL
    CREATE USER leafgate_dashboard FOR LOGIN leafgate_dashboard;
ALTER USER leafgate_dashboard WITH LOGIN = leafgate_dashboard;
IF USER_ID('leafgate_trainer') IS NULL
    CREATE USER leafgate_trainer FOR LOGIN leafgate_trainer;
ALTER USER leafgate_trainer WITH LOGIN = leafgate_trainer;
IF USER_ID('leafgate_owner') IS NULL
    CREATE USER leafgate_owner FOR LOGIN leafgate_owner;
ALTER USER leafgate_owner WITH LOGIN = leafgate_owner;
ALTER ROLE db_owner ADD MEMBER leafgate_owner;
GO
