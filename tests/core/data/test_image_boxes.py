"""Parts of images, which manifests give as boxes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from core.data import images
from core.data.images import decode_image


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_box_has_the_pixels_of_the_upright_image(orientation: int):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG", exif=exif)
    whole = np.asarray(decode_image(content.getvalue()))
    part = np.asarray(decode_image(content.getvalue(), box=(2, 3, 12, 18)))
    assert np.array_equal(part, whole[3:18, 2:12])


def test_a_box_of_a_reduced_photo_has_the_pixels_of_the_full_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 10_000)
    content = BytesIO()
    Image.new("L", (160, 120), 9).save(content, "JPEG")
    assert decode_image(content.getvalue()).size == (80, 60)
    assert decode_image(content.getvalue(), box=(80, 60, 160, 120)).size == (40, 30)
