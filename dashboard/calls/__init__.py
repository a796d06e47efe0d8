"""What the pages ask of the API, a file a subject; each call takes the ApiClient of its user."""
