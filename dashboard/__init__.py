"""The pages people look at. Models are reached through the API, figures through sql.analytics."""
