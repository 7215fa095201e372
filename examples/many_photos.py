"""Avatars of a whole folder; what cannot be used is told and skipped: python examples/many_photos.py folder."""

import sys
from pathlib import Path

import vivant

for photo in sorted(Path(sys.argv[1]).glob("*.jpg")):
    try:
        avatar = vivant.create(photo)
    except vivant.VivantError as error:
        print(f"{photo.name}: {error}")
        continue
    vivant.save_avatar(avatar, photo.with_suffix(".avatar"))
    print(f"{photo.name}: {len(avatar.splats):,} splats, {len(avatar.origin.notes)} notes")
