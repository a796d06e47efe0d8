-- LeafGate's database and logins. Repeatable: it makes what is missing, and sets the passwords anew.
-- The owner migrates; what the others may do there is granted by `leafgate db migrate --grant`.
\set ON_ERROR_STOP on
\getenv owner OWNER_PASSWORD
\getenv service SERVICE_PASSWORD
\getenv dashboard DASHBOARD_PASSWORD
\getenv trainer TRAINER_PASSWORD
SELECT format('CREATE ROLE %I', 'leafgate_' || name)
  FROM unnest(ARRAY['owner', 'service', 'dashboard', 'trainer']) name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'leafgate_' || name) \gexec
ALTER ROLE leafgate_owner LOGIN PASSWORD :'owner';
ALTER ROLE leafgate_service LOGIN PASSWORD :'service';
ALTER ROLE leafgate_dashboard LOGIN PASSWORD :'dashboard';
ALTER ROLE leafgate_trainer LOGIN PASSWORD :'trainer';
SELECT 'CREATE DATABASE leafgate OWNER leafgate_owner ENCODING ''UTF8'' LOCALE ''C.UTF-8'' TEMPLATE template0'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'leafgate') \gexec
REVOKE ALL ON DATABASE leafgate FROM PUBLIC;
GRANT CONNECT ON DATABASE leafgate TO leafgate_service, leafgate_dashboard, leafgate_trainer;
\connect leafgate
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
