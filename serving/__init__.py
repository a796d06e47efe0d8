"""The API: signed-in, limited and logged access to the models in production."""

from serving.passwords import hash_password

__all__ = ["hash_password"]
