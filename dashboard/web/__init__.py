"""The dashboard's web server: who may do what before any page runs."""
