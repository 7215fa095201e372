"""Who is for training and who for validation: fixed here, by identity, for everybody and for ever."""

VALIDATION_IDENTITIES = ("AIAN_M_2", "Asian_F_3", "Black_M_2", "White_F_2")
"""Of the VALID people; with all their outfits."""

VALIDATION_WARDROBE = range(1_000_000, 1_001_000)
"""Seeds of wardrobe figures that training never uses."""


def is_validation(identity: str) -> bool:
    """Whether an identity must stay out of training."""
    if identity.startswith("wardrobe_"):
        return int(identity.removeprefix("wardrobe_")) in VALIDATION_WARDROBE
    return identity in VALIDATION_IDENTITIES
