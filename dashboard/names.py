"""Class names as people read them."""

import re


def readable(class_name: str) -> str:
    """`Tomato___Late_blight` as "Tomato: Late blight", `powdery_mildew` as "Powdery mildew"."""
    plant, _, disease = class_name.partition("___")
    parts = [re.sub(r"[_\s]+", " ", part).strip() for part in (plant, disease) if part]
    shown = ": ".join(parts) or class_name
    return shown[:1].upper() + shown[1:]
