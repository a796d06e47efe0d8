-- MLflow's role and databases. Repeatable: it makes what is missing, and sets the password anew.
\set ON_ERROR_STOP on
\getenv password MLFLOW_DB_PASSWORD
SELECT 'CREATE ROLE mlflow' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mlflow') \gexec
ALTER ROLE mlflow LOGIN PASSWORD :'password';
SELECT format(
    'CREATE DATABASE %I OWNER mlflow ENCODING ''UTF8'' LOCALE ''C.UTF-8'' TEMPLATE template0',
    name
  ) FROM unnest(ARRAY['mlflow', 'mlflow_auth']) name
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
REVOKE ALL ON DATABASE mlflow, mlflow_auth, postgres FROM PUBLIC;
