"""Having synthetic pictures made."""

from dashboard.client import ApiClient


def generate(api: ApiClient, n: int, seed: int, class_name: str | None = None) -> bytes:
    """A ZIP of n synthetic pictures and their manifest; None: of all classes in turn."""
    ask = {"n": n, "seed": seed, "class": class_name, "format": "zip"}
    return api.ask("POST", "/generate", json=ask).content


def classes_to_generate(api: ApiClient) -> tuple[str, ...]:
    """Classes that can be asked of the generator in production; none where it knows none."""
    models = api.ask("GET", "/models").json()
    return tuple(name for m in models if m.get("conditional") for name in m["classes"])
