from __future__ import annotations

import struct
import subprocess
import sys
import threading
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from core.data.images import ImageError, decode_image, map_in_threads, pixel_shape, read_image, resize_image, to_pixels

# pytest resets the warnings filter of core.data.images.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:PIL.*")

ORIENTATION, DESCRIPTION, RESOLUTION = 0x0112, 0x010E, 0x011A


def file_of(image: Image.Image, form: str, **options: Any) -> bytes:
    content = BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def pixels_of(content: bytes) -> np.ndarray:
    return np.asarray(decode_image(content)).astype(int)


def gradient(width: int = 24, height: int = 16) -> Image.Image:
    """Return a grey image, lighter to the right and slightly lighter to the bottom, so that any rotation is visible."""
    down, right = np.mgrid[:height, :width]
    return Image.fromarray((right * 8 + down * 3).astype(np.uint8))


def colours() -> Image.Image:
    """Return a smooth colour image, for JPEG: red increases to the right, green to the bottom, blue is constant."""
    down, right = np.mgrid[:16, :24]
    return Image.fromarray(np.stack([right * 8, down * 12, np.full_like(down, 60)], axis=-1).astype(np.uint8))


def with_exif(image: Image.Image, form: str, orientation: int, **tags: Any) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[DESCRIPTION] = "a face"
    exif[RESOLUTION] = 72.0
    return file_of(image, form, exif=exif, **tags)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header has this size, but which has almost no pixel data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# Images that are decoded


def test_a_grey_png_keeps_every_pixel():
    assert (image := decode_image(file_of(gradient(), "PNG"))).mode == "L"
    assert np.array_equal(np.asarray(image), np.asarray(gradient()))


def test_a_16_bit_png_keeps_its_greys():
    greys = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    assert (image := decode_image(file_of(Image.fromarray(greys), "PNG"))).mode == "L"
    assert np.asarray(image).ravel().tolist() == list(range(256))


def test_a_1_bit_png_is_black_and_white():
    white = np.asarray(gradient()) > 99
    image = decode_image(file_of(Image.fromarray(white), "PNG"))
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), np.where(white, 255, 0))


def palette(transparency: int | bytes | None) -> bytes:
    """Return a PNG of a red, a green and a blue pixel."""
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    return file_of(image, "PNG", **({} if transparency is None else {"transparency": transparency}))


RED, GREEN, BLUE, WHITE = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]


@pytest.mark.parametrize(
    ("transparency", "expected"),
    [
        (None, [RED, GREEN, BLUE]),
        (0, [WHITE, GREEN, BLUE]),
        (bytes([0, 128, 255]), [WHITE, [127, 255, 127], BLUE]),
        (bytes([255, 255, 0]), [RED, GREEN, WHITE]),
    ],
)
def test_a_palette_png_has_its_colours_on_white(transparency: int | bytes | None, expected: list[list[int]]):
    opened = decode_image(palette(transparency))
    assert opened.mode == "RGB"
    assert np.asarray(opened).tolist() == [expected]
    assert np.asarray(decode_image(palette(transparency), 1)).tolist() == [[RED, GREEN, BLUE]]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("mode", "opened"), [("LA", "L"), ("RGBA", "RGB")])
def test_transparent_pixels_are_white_whatever_their_colour(mode: str, opened: str, form: str):
    seen = np.zeros((16, 24), np.uint8)
    seen[4:12, 6:18] = 255
    shown = []
    for hidden in (0, 200):
        grey = Image.fromarray(np.where(seen, np.asarray(gradient()), hidden).astype(np.uint8)).convert(mode)
        grey.putalpha(Image.fromarray(seen))
        image = decode_image(file_of(grey, form, **({"lossless": True, "exact": True} if form == "WEBP" else {})))
        assert form == "WEBP" or image.mode == opened
        shown.append(np.asarray(image.convert("L")))
    assert all(np.array_equal(each, np.where(seen, np.asarray(gradient()), 255)) for each in shown)


def test_a_transparent_grey_or_colour_of_a_png_is_white():
    greys = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    deep = Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257)
    for image, value in ((greys, 3), (deep, 3 * 257)):
        shown = decode_image(file_of(image, "PNG", transparency=value))
        assert shown.mode == "L"
        assert np.asarray(shown).ravel()[:5].tolist() == [0, 1, 2, 255, 4]
    red = file_of(Image.new("RGB", (2, 2), (255, 0, 0)), "PNG", transparency=(255, 0, 0))
    assert pixels_of(red).min() == 255


def raw_png(width: int, depth: int, kind: int, scanline: bytes, transparent: bytes, palette: bytes = b"") -> bytes:
    """Return a PNG of one row, of any bit depth and colour type, with a tRNS chunk."""
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0))]
    parts += [chunk(b"PLTE", palette)] if palette else []
    parts += [chunk(b"tRNS", transparent), chunk(b"IDAT", zlib.compress(b"\0" + scanline)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def big_endian(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


COLOURS = bytes([*RED, *GREEN, *BLUE, 10, 20, 30])


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (raw_png(8, 1, 0, b"\x0f", big_endian(0)), "L", [255] * 8),
        (raw_png(8, 1, 0, b"\x0f", big_endian(1)), "L", [0] * 4 + [255] * 4),
        (raw_png(4, 2, 0, b"\x1b", big_endian(1)), "L", [0, 255, 170, 255]),
        (raw_png(4, 4, 0, b"\x01\x2e", big_endian(2)), "L", [0, 17, 255, 238]),
        (raw_png(4, 8, 0, b"\x01\x02\x03\x04", big_endian(3)), "L", [1, 2, 255, 4]),
        (raw_png(3, 16, 0, big_endian(0x0102, 0x0103, 0x0203), big_endian(0x0102)), "L", [255, 1, 2]),
        (raw_png(2, 8, 2, bytes([*RED, *GREEN]), big_endian(*RED)), "RGB", [WHITE, GREEN]),
        (
            raw_png(3, 16, 2, big_endian(256, 512, 768, 256, 512, 769, 512, 768, 0), big_endian(256, 512, 768)),
            "RGB",
            [WHITE, [1, 2, 3], [2, 3, 0]],
        ),
        (raw_png(4, 2, 3, b"\x1b", bytes([255, 0]), COLOURS), "RGB", [RED, WHITE, BLUE, [10, 20, 30]]),
        (raw_png(2, 4, 3, b"\x02", bytes([255, 255, 0]), COLOURS), "RGB", [RED, WHITE]),
        (raw_png(2, 8, 3, b"\x00\x01", bytes([255, 128]), COLOURS), "RGB", [RED, [127, 255, 127]]),
    ],
    ids=[
        *("grey-1-black", "grey-1-white", "grey-2", "grey-4", "grey-8", "grey-16", "colour-8", "colour-16"),
        *("palette-2", "palette-4", "palette-8"),
    ],
)
def test_the_transparent_colour_of_every_png_mode_is_white(content: bytes, mode: str, expected: list[object]):
    image = decode_image(content)
    assert image.mode == mode
    assert np.asarray(image).tolist() == [expected]


def test_a_16_bit_grey_with_alpha_is_grey():
    image = decode_image(raw_png(2, 16, 4, big_endian(0x0400, 65535, 0x0800, 0), b""))
    assert image.mode == "L"
    assert np.asarray(image).tolist() == [[4, 255]]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_decoding_1_drops_transparency(mode: str):
    (image := gradient().convert(mode)).putalpha(0)
    assert np.array_equal(np.asarray(decode_image(file_of(image, "PNG"), 1).convert("L")), np.asarray(gradient()))


@pytest.mark.parametrize("form", ["BMP", "GIF", "TIFF", "PPM", "WEBP"])
def test_other_formats_are_read_but_not_with_decoding_1(form: str):
    content = file_of(gradient(), form, **({"lossless": True} if form == "WEBP" else {}))
    assert np.array_equal(np.asarray(decode_image(content).convert("L")), np.asarray(gradient()))
    with pytest.raises(ImageError, match=r"^not a JPEG or PNG image$"):
        decode_image(content, 1)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF"])
def test_the_first_frame_is_read(form: str):
    others = [Image.new("L", (24, 16), 9), Image.new("L", (24, 16), 200)]
    content = file_of(
        gradient(), form, save_all=True, append_images=others, **({"lossless": True} if form == "WEBP" else {})
    )
    assert np.array_equal(np.asarray(decode_image(content).convert("L")), np.asarray(gradient()))


def test_a_tiff_is_turned_once():
    upright = np.asarray(gradient())
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright, 1)))
    assert np.array_equal(pixels_of(file_of(stored, "TIFF", tiffinfo={ORIENTATION: 6})), upright)


@pytest.mark.parametrize(("width", "height"), [(12_000, 9_000), (16_320, 12_240)])
def test_a_large_jpeg_is_decoded_reduced(width: int, height: int):
    content = file_of(Image.new("L", (width, height), 90), "JPEG")
    assert (image := decode_image(content)).size == (width // 2, height // 2)
    assert image.getpixel((width // 4, height // 4)) == 90
    with pytest.raises(ImageError, match=r"^too large"):
        decode_image(content, 1)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (file_of(colours(), "AVIF"), "AVIF"),
        (file_of(colours(), "JPEG2000"), "JPEG 2000"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 50, "HEIC"),
    ],
)
def test_a_format_that_is_not_read_is_named(content: bytes, name: str):
    with pytest.raises(ImageError, match=f"^{name}, which is not read: convert it to JPEG or PNG$"):
        decode_image(content)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 95, "subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_a_jpeg_is_close_to_what_was_saved(mode: str, options: dict[str, Any]):
    image = colours().convert(mode)
    opened = decode_image(file_of(image, "JPEG", **{"quality": 90, **options}))
    assert opened.mode == ("L" if mode == "L" else "RGB")
    expected = np.asarray(image.convert(opened.mode)).astype(int)
    assert np.abs(np.asarray(opened) - expected).max() < 24


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_an_image_is_turned_as_its_exif_says(form: str, orientation: int):
    # The positions of row 0 and column 0 of the stored image, from EXIF 2.32.
    stored = {
        1: lambda upright: upright,
        2: np.fliplr,
        3: lambda upright: np.rot90(upright, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda upright: np.rot90(upright, 1),
        7: lambda upright: np.rot90(np.transpose(upright), 2),
        8: lambda upright: np.rot90(upright, -1),
    }
    content = Image.fromarray(np.ascontiguousarray(stored[orientation](np.asarray(gradient()))))
    opened = pixels_of(with_exif(content, form, orientation, **({"quality": 95} if form == "JPEG" else {})))
    assert opened.shape == (16, 24)
    assert np.abs(opened - np.asarray(gradient())).max() <= (8 if form == "JPEG" else 0)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_there_is_not_means_upright(value: int):
    assert np.array_equal(pixels_of(with_exif(gradient(), "PNG", value)), np.asarray(gradient()))


def test_a_camera_that_gets_a_tag_wrong_costs_no_image():
    # Pillow reads a description with the type of a fraction, but fails to write it.
    orientation = struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
    description = struct.pack("<HHII", DESCRIPTION, 5, 1, 38)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + orientation + description + struct.pack("<III", 0, 1, 2)
    with pytest.raises(AttributeError):
        ImageOps.exif_transpose(Image.open(BytesIO(file_of(gradient(), "JPEG", exif=exif))))
    assert decode_image(file_of(gradient(), "JPEG", exif=exif)).size == (16, 24)


@pytest.mark.parametrize("data", [b"", b"junk", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_data_cost_no_image(data: bytes):
    content = file_of(gradient(), "JPEG", exif=b"Exif\0\0" + data)
    assert np.abs(pixels_of(content) - np.asarray(gradient())).max() < 16


# Images that are refused


def truncated(form: str, share: float, **options: Any) -> bytes:
    content = file_of(gradient(96, 96).convert("RGB"), form, **options)
    return content[: int(len(content) * share)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"this is no picture\n", "not a JPEG, PNG, WebP"),
        (b"\0" * 5000, "not a JPEG, PNG, WebP"),
        (b"\xff\xd8\xff", "not a JPEG, PNG, WebP|damaged"),
        (b"\x89PNG\r\n\x1a\n", "not a JPEG, PNG, WebP|damaged"),
        (truncated("JPEG", 0.5), r"damaged \(.*truncated"),
        (truncated("JPEG", 0.9), r"damaged \(.*truncated"),
        (truncated("JPEG", 0.5, progressive=True), r"damaged \(.*truncated"),
        (truncated("PNG", 0.5), r"damaged \(.*truncated"),
        (truncated("PNG", 0.1), "not a JPEG, PNG, WebP|damaged"),
        (png_header(20_000, 20_000), "too large .*the limit is 64,000,000 pixels\\): reduce its width and height"),
        (png_header(9_000, 9_000), r"too large \(9000 x 9000 pixels, the limit is 64,000,000\): reduce"),
        (png_header(0, 10), "not a JPEG, PNG, WebP|damaged"),
        (png_header(300, 300), "damaged"),
        (file_of(gradient().convert("F"), "TIFF"), "its pixels are floating-point numbers"),
    ],
)
def test_what_is_no_whole_image_is_refused_with_the_reason(content: bytes, reason: str):
    with pytest.raises(ImageError, match=f"^(?:{reason})"):
        decode_image(content)


_IMAGES = [
    file_of(gradient(), "PNG"),
    file_of(colours(), "JPEG"),
    file_of(colours(), "JPEG", progressive=True),
    file_of(colours().convert("CMYK"), "JPEG"),
    with_exif(colours(), "JPEG", 6),
    with_exif(gradient(), "PNG", 8),
    file_of(colours().quantize(8), "PNG", transparency=bytes([0, 128])),
]


@given(st.sampled_from(_IMAGES), st.data())
def test_damage_anywhere_gives_an_image_or_an_image_error(content: bytes, data: st.DataObject):
    damaged = bytearray(content)
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        damaged[place] = value
    damaged = damaged[: data.draw(st.one_of(st.just(len(content)), places))]
    try:
        image = decode_image(bytes(damaged))
    except ImageError as error:
        assert str(error)
    else:
        assert image.mode in ("L", "RGB")


def test_pillow_says_nothing_on_stderr_of_a_program():
    transparent = file_of(colours().quantize(8), "PNG", transparency=bytes([0, 128]))
    code = (
        "import sys; from core.data.images import decode_image; from core.system.program import set_up_program\n"
        "set_up_program(); decode_image(sys.stdin.buffer.read())"
    )
    for content in (transparent, file_of(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")):
        done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
        assert done.stderr == b""


# Files and pixels


def test_a_file_is_read_and_a_missing_one_said_to_be(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(gradient(), "PNG"))
    assert read_image(tmp_path / "a.png").size == (24, 16)
    with pytest.raises(ImageError, match=r"^No such file or directory$"):
        read_image(tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"^Is a directory$"):
        read_image(tmp_path)


def test_pixels_have_the_channels_that_are_wanted():
    red = Image.new("RGB", (3, 2), (200, 0, 0))
    grey = Image.new("L", (3, 2), 7)
    assert to_pixels(red, 3).shape == (2, 3, 3)
    assert to_pixels(red, 3)[1, 2].tolist() == [200, 0, 0]
    assert to_pixels(red, 1).shape == (2, 3, 1)
    assert to_pixels(red, 1)[0, 0].tolist() == [60]
    assert to_pixels(grey, 3)[0, 0].tolist() == [7, 7, 7]
    assert to_pixels(grey, 1).dtype == np.uint8
    assert pixel_shape(grey, 1) == pixel_shape(grey, 3) == pixel_shape(red, 1)
    assert pixel_shape(Image.new("RGB", (5, 3)), 3) == (3, 5, 3)


def test_fit_reduces_antialiased_and_leaves_what_fits():
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (48, 24)))
    assert resize_image(stripes, 48) is stripes
    reduced = np.asarray(resize_image(stripes, 12)).astype(int)
    assert reduced.shape == (12, 12)
    assert np.abs(reduced[:, 1:-1] - 127).max() <= 8, "every second column was taken, instead of their mean"
    assert resize_image(gradient(), 30).size == (30, 30)


# Threads


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_threads_keep_the_order(count: int):
    assert list(map_in_threads(lambda item: item * 2, range(count), group=7)) == [item * 2 for item in range(count)]


def test_threads_work_at_the_same_time_and_still_keep_the_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    second_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_done.wait(10), "the second group waits for the first"
        if item == 1:
            second_done.set()
        return item

    assert list(map_in_threads(work, [0, 1, 2], group=1)) == [0, 1, 2]


def test_leaving_early_ends_the_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    done: list[int] = []
    results = map_in_threads(lambda item: done.append(item) or item, range(10_000), group=4)
    assert [next(results), next(results)] == [0, 1]
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
    before = len(done)
    assert before <= 4 * 6
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
    assert len(done) == before


def test_no_more_is_under_way_than_a_few_groups(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    started: list[int] = []
    for taken, _ in enumerate(map_in_threads(started.append, range(400), group=4)):
        assert len(started) - taken <= 4 * 6
    assert sorted(started) == list(range(400))


def test_an_error_in_a_thread_reaches_the_caller():
    def work(item: int) -> int:
        if item == 70:
            raise KeyError("seventy")
        return item

    results = map_in_threads(work, range(500))
    taken: list[int] = []
    with pytest.raises(KeyError, match="seventy"):
        taken.extend(results)
    assert taken == list(range(64))
