"""The API: signed-in, limited and logged access to the models in production."""

from serving.passwords import hash_password, require_good_password
from serving.plans import plans_of
from serving.tokens import token_id_of

__all__ = ["hash_password", "plans_of", "require_good_password", "token_id_of"]
